package healthcheck

import (
	"context"
	"sync"
	"time"

	"posthouse/config"
)

// tick is how finely the alarm is set: what is due within one is done together, which saves most of the waking up.
const tick = 20 * time.Millisecond

// rounds is the schedule: everything that only the goroutine of Run touches.
type rounds struct {
	*Checker
	ctx     context.Context
	began   time.Time
	alarm   *time.Timer
	armed   time.Time // what alarm is set to
	eager   bool      // see eagerTLS
	results chan result
	answers chan answer
	jobs    chan *probe
	running sync.WaitGroup
	workers int // goroutines started; as many as were ever busy at once
	busy    int // probes handed to them
	asking  int // lookups

	probes, lookups queue
	bySpec          map[spec]*probe
	byTarget        map[config.Target]*probe
	targets         map[place]*target
	hosts           map[string]*host
	oddities        oddities
}

type result struct {
	probe   *probe
	outcome outcome
}

func newRounds(ctx context.Context, c *Checker) *rounds {
	n := c.parallel()
	return &rounds{
		Checker: c, ctx: ctx, began: time.Now(), alarm: time.NewTimer(time.Hour),
		// Whoever sends into these has room: nobody waits for Run, nor it for them.
		results: make(chan result, n), jobs: make(chan *probe, n), answers: make(chan answer, maxLookups),
		hosts: make(map[string]*host),
	}
}

// wait ends the workers and waits for all that was started.
func (r *rounds) wait() {
	r.alarm.Stop()
	close(r.jobs)
	r.running.Wait()
}

// collect takes what has come into the mailbox.
func (r *rounds) collect() {
	r.mu.Lock()
	topology := r.topology
	r.topology = nil
	var suspects map[config.Target]bool // its own from here on: sessions go on writing to the mailbox's
	if len(r.suspects) > 0 {
		suspects, r.suspects = r.suspects, make(map[config.Target]bool)
	}
	r.mu.Unlock()
	now := time.Now()
	if topology != nil {
		r.update(topology, now)
	}
	for t := range suspects {
		if p := r.byTarget[t]; p != nil {
			r.suspect(p, now)
		}
	}
}

// start hands due probes to workers and due names to the resolver, and sets the alarm for the next ones.
func (r *rounds) start() {
	now := time.Now()
	next := now.Add(time.Hour)
	for e := r.probes.first(); e != nil && r.busy < cap(r.jobs); e = r.probes.first() {
		if e.due.After(now) {
			next = e.due
			break
		}
		r.probes.remove(e)
		r.hand(e.probe, now)
	}
	for e := r.lookups.first(); e != nil && r.asking < maxLookups; e = r.lookups.first() {
		if e.due.After(now) {
			next = earlier(next, e.due)
			break
		}
		r.lookups.remove(e)
		r.ask(e.host)
	}
	r.arm(next, now)
}

// arm sets the alarm to the end of the tick in which something is due.
func (r *rounds) arm(next, now time.Time) {
	next = r.began.Add((next.Sub(r.began) + tick - 1) / tick * tick)
	if !next.Equal(r.armed) || !next.After(now) {
		r.armed = next
		r.alarm.Reset(next.Sub(now))
	}
}

func (r *rounds) hand(p *probe, now time.Time) {
	p.started, p.inFlight = now, true
	p.running = job{spec: &p.spec, addrs: p.addrs, sources: p.sources, whole: p.whole(r.eager), round: p.round, agent: r.Version}
	r.jobs <- p
	if r.busy++; r.busy > r.workers {
		r.workers++
		r.running.Go(r.work)
	}
}

// work runs probes until there are no more jobs.
func (r *rounds) work() {
	for p := range r.jobs {
		r.results <- result{p, r.probe(r.ctx, p.running)}
	}
}

// finish counts a result and schedules the next round.
func (r *rounds) finish(done result) {
	p, o := done.probe, done.outcome
	r.busy--
	p.inFlight = false
	if p.gone || r.ctx.Err() != nil {
		return
	}
	now := time.Now()
	p.round++
	r.Metrics.probed(p, o)
	if o.ours() {
		r.oddities.ourFault(r.Log, o.failure.reason, now)
	} else {
		r.count(p, o, now)
	}
	if len(p.addrs) > 0 {
		r.probes.schedule(&p.entry, p.next(o, r.began, now))
	}
}

func (r *rounds) count(p *probe, o outcome, now time.Time) {
	for _, t := range p.targets {
		if t.take(o, now) {
			r.tell(t)
		}
		if !p.spec.front {
			r.oddities.look(r.Log, t, o, now)
			r.oddities.suspectBan(r.Log, t, o)
		}
	}
}

func (r *rounds) tell(t *target) {
	r.Metrics.state(t.id, t.health.State)
	r.Report(t.id, t.health)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
