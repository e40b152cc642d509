package routing

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/config"
)

// Router publishes tables: it is the only writer, and everybody reads what it published last. Reports are noted at
// once and come into effect with the next table, which Run builds; a new topology comes into effect when Publish
// returns.
type Router struct {
	Metrics   *Metrics // set before Run; nil: none
	Published func()   // set before Run; told of every table, it never blocks; nil: nobody wants to know

	log      *slog.Logger
	counters Counters
	table    atomic.Pointer[Table]
	wake     chan struct{} // that there is something to build

	building sync.Mutex      // one table at a time; guards the following
	lame     []bool          // by slot: was logged as down
	leads    map[string]lead // by service, as logged
	built    time.Time
	took     time.Duration

	mu        sync.Mutex // guards the following; never held while a table is built, so that reports do not wait
	layout    *layout
	backends  []*Backend // by slot, as reported last
	addresses map[string]resolved
	urgent    bool // a report since the last table that changes where sessions may go
	noted     bool // any other report since
}

// resolved is the addresses of a host name.
type resolved struct {
	host  string
	addrs []netip.Addr
}

const (
	settle   = 50 * time.Millisecond // between tables: longer, and a dead node is chosen longer; shorter, and a region that comes up is a hundred tables
	leisure  = time.Second           // until reports that change no choice, such as greeting times, come into effect; also the steps of slow start
	patience = 4                     // tables are built for at most 1/(1+patience) of the time
)

// NewRouter publishes the first table of a topology: all its nodes are unknown, which counts as up.
func NewRouter(t *config.Topology, log *slog.Logger) *Router {
	r := &Router{log: log, wake: make(chan struct{}, 1), layout: new(layout), addresses: make(map[string]resolved)}
	r.Publish(t)
	return r
}

// Table is what was published last.
func (r *Router) Table() *Table { return r.table.Load() }

// Run builds tables from what is reported, until ctx ends. The first change after a pause takes effect at once; a
// burst of them is gathered into few tables.
func (r *Router) Run(ctx context.Context) error {
	r.building.Lock()
	r.Metrics.show(r.Table())
	r.building.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
		wait, due := r.due(time.Now())
		if due && wait <= 0 {
			r.Flush()
			wait, due = r.due(time.Now())
		}
		timer.Stop()
		if due {
			timer.Reset(wait)
		}
	}
}

// due is how long the next table may wait, and whether there is a reason for one.
func (r *Router) due(now time.Time) (time.Duration, bool) {
	r.building.Lock()
	built, took := r.built, r.took
	r.building.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	pause := max(settle, patience*took)
	switch step := r.Table().ramping; {
	case r.urgent:
		return built.Add(pause).Sub(now), true
	case r.noted:
		return built.Add(max(pause, leisure)).Sub(now), true
	case !step.IsZero():
		return max(step.Sub(now), built.Add(max(pause, leisure)).Sub(now)), true
	}
	return 0, false
}

// Flush publishes what has been reported so far. Run does so by itself.
func (r *Router) Flush() {
	r.building.Lock()
	defer r.building.Unlock()
	r.build()
}

// build makes and publishes the table of what is reported now. The caller holds building.
func (r *Router) build() {
	r.mu.Lock()
	layout, backends := r.layout, append([]*Backend(nil), r.backends...)
	r.urgent, r.noted = false, false
	r.mu.Unlock()
	r.built = time.Now()
	t := layout.table(backends, r.built, r.Table())
	r.took = time.Since(r.built)
	r.table.Store(t)
	r.Metrics.show(t)
	r.Metrics.tableBuilt(r.took)
	r.logChanges(t)
	if r.Published != nil {
		r.Published()
	}
}

// SetHealth notes what probes say of a target. It never waits for a table to be built; any goroutine may call it. A
// target that is not in the topology is ignored.
func (r *Router) SetHealth(target config.Target, h config.Health) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.layout.slot(target)
	if i < 0 {
		return
	}
	old := r.backends[i].Health
	if same(old, h) {
		return
	}
	r.backends[i] = r.backends[i].with(h)
	r.note(old.State != h.State || !old.Recovered.Equal(h.Recovered))
}

// same says whether a report brings nothing new.
func same(a, b config.Health) bool {
	return a.State == b.State && a.Count == b.Count && a.Since.Equal(b.Since) && a.Recovered.Equal(b.Recovered) &&
		a.Greeting == b.Greeting && slices.Equal(a.Capabilities, b.Capabilities) && a.Version == b.Version &&
		a.CertExpiry.Equal(b.CertExpiry) && a.Reason == b.Reason && a.Transcript == b.Transcript
}

// SetAddresses notes what the host name of a node resolves to. No addresses at all are ignored: the last good ones
// stay.
func (r *Router) SetAddresses(node string, addrs []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slots := r.layout.nodes[node]
	if len(addrs) == 0 || len(slots) == 0 || r.backends[slots[0]].Node.Host == "" {
		return
	}
	found := resolved{r.backends[slots[0]].Node.Host, slices.Clone(addrs)}
	if slices.Equal(r.addresses[node].addrs, addrs) {
		return
	}
	r.addresses[node] = found
	for _, i := range slots {
		r.backends[i] = r.backends[i].at(addrs)
	}
	r.note(true)
}

// note asks Run for a table. The caller holds mu.
func (r *Router) note(urgent bool) {
	first := urgent && !r.urgent || !r.urgent && !r.noted
	r.urgent, r.noted = r.urgent || urgent, true
	if !first {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
