// Package healthcheck asks the nodes how they are.
//
// A Checker plans one probe for each way of asking a node at a port (plan.go), runs them on a schedule (checker.go,
// round.go, queue.go), and counts their outcomes for each service on each node: a target. A probe (probe.go and a
// file for each protocol) is one connection that behaves as a session does, PROXY header included, says goodbye and
// closes with FIN. What has changed is handed to Report; who is sent where is routing's affair.
package healthcheck

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"

	"posthouse/config"
)

// DefaultParallel is how many probes run at once unless Checker says otherwise: with a timeout of 3 s it is enough
// for a third of 1,024 nodes with 8 services to be silent at once, and at about 10 KiB a probe no burden.
const DefaultParallel = 1024

// Checker probes what a topology names. Set the fields before Run; the functions are called from its goroutine and
// must not block.
type Checker struct {
	Log      *slog.Logger
	Report   func(config.Target, config.Health)    // a target's health has changed
	Resolved func(node string, addrs []netip.Addr) // a node given by host name has new addresses; nil: nobody asks
	Lookup   func(ctx context.Context, network, host string) ([]netip.Addr, error)
	Metrics  *Metrics // nil: none
	Version  string   // of ours, in User-Agent; "" tells none

	// Known is what a run before this one knew of targets. It counts as if this one had found it out; nil: nothing.
	Known map[config.Target]config.Health

	Parallel int // probes at once; 0: DefaultParallel

	probe func(context.Context, job) outcome // job.run, but for tests of the schedule
	wake  chan struct{}                      // something is in the mailbox

	mu       sync.Mutex // guards the mailbox, which Run empties
	topology *config.Topology
	suspects map[config.Target]bool
}

// New makes a Checker for a topology; it starts nothing.
func New(t *config.Topology, log *slog.Logger) *Checker {
	return &Checker{
		Log:      log,
		Report:   func(config.Target, config.Health) {},
		Lookup:   lookup,
		probe:    func(ctx context.Context, j job) outcome { return j.run(ctx) },
		wake:     make(chan struct{}, 1),
		topology: t,
		suspects: make(map[config.Target]bool),
	}
}

// Update takes a new topology. Targets that it leaves alone (same name, address and port) keep their state, and
// probes that it leaves alone their schedule. It does not block.
func (c *Checker) Update(t *config.Topology) {
	c.mu.Lock()
	c.topology = t
	c.mu.Unlock()
	c.nudge()
}

// Suspect asks for probes of a target now, because a session could not be set up there. It does not block, and a
// storm of suspicions is one. By itself it condemns nobody.
func (c *Checker) Suspect(target config.Target) {
	c.mu.Lock()
	known := c.suspects[target]
	c.suspects[target] = true
	c.mu.Unlock()
	if !known {
		c.nudge()
	}
}

func (c *Checker) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run probes until ctx ends, and returns nil once all that it started is gone.
func (c *Checker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r := newRounds(ctx, c)
	defer r.wait()
	defer cancel()
	c.nudge()
	for {
		r.start()
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
			r.collect()
		case done := <-r.results:
			r.finish(done)
		case answer := <-r.answers:
			r.resolved(answer)
		case <-r.alarm.C:
		}
	}
}

func (c *Checker) parallel() int {
	if c.Parallel > 0 {
		return c.Parallel
	}
	return DefaultParallel
}
