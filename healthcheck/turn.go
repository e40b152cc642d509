package healthcheck

import (
	"net/netip"
	"time"

	"posthouse/config"
)

const (
	// suspectPause is the time between probes of a suspected target: three of them decide within 300 ms, and a node
	// that is only restarting its listener has that long.
	suspectPause = 100 * time.Millisecond

	// suspectRest is how long a target that has just answered is not suspected again: sessions that fail for a
	// reason of their own must not become a flood of probes.
	suspectRest = 250 * time.Millisecond

	// eagerTLS is how many TLS ports are spoken to in their first round. In a larger cluster the first five rounds share
	// that work: as many handshakes in the first second would take a core away from the first sessions.
	eagerTLS = 256

	// wholeEvery is how often a TLS port is spoken to; a plain connect is a sixth of the cost of a handshake.
	wholeEvery = 5
)

// probe is a spec on the schedule.
type probe struct {
	entry
	spec      spec
	sources   []netip.Addr
	addrs     []netip.Addr // as given or as resolved; none: not probed
	targets   []*target
	phase     float64
	round     int
	started   time.Time
	running   job
	inFlight  bool
	gone      bool // the topology no longer has it; its last result is nobody's
	suspected bool
	stale     bool // the one in flight began before the suspicion, and a good end of it says nothing
}

// suspect lets a probe run now, and again until it has decided. One that has just answered is asked a little later.
func (r *rounds) suspect(p *probe, now time.Time) {
	if !p.usable() || p.suspected || len(p.addrs) == 0 {
		return
	}
	p.suspected, p.stale = true, p.inFlight
	if p.inFlight {
		return
	}
	due := r.began // before all that is overdue: where every worker is busy this one is not to wait
	if rested := p.started.Add(suspectRest); rested.After(now) && p.round > 0 && p.settled() {
		due = rested
	}
	if p.due.After(due) {
		r.probes.schedule(&p.entry, due)
	}
}

// whole says whether this round speaks TLS, where TLS is spoken: the first, every fifth, at different times for
// different nodes, and every one while something is wrong. So a plain connect never clears a failure.
func (p *probe) whole(eager bool) bool {
	stagger := int(p.phase * (1 << 20))
	switch {
	case !p.spec.tls, (p.round+stagger)%wholeEvery == 0, p.suspected:
		return true
	case p.round == 0 && p.unknown():
		return eager
	}
	return !p.settled()
}

// unknown says whether nothing is known of any target.
func (p *probe) unknown() bool {
	for _, t := range p.targets {
		if t.told {
			return false
		}
	}
	return true
}

// settled says whether all targets are up and nothing speaks against it.
func (p *probe) settled() bool {
	for _, t := range p.targets {
		if t.streak.state != config.Up {
			return false
		}
	}
	return true
}

// usable says whether any target may get sessions.
func (p *probe) usable() bool {
	for _, t := range p.targets {
		if t.streak.state.Usable() {
			return true
		}
	}
	return false
}

// next is when a probe runs again: soon while it is suspected and nothing is decided, else in its turn.
func (p *probe) next(o outcome, began, now time.Time) time.Time {
	stale := p.stale
	p.stale = false
	if o.good() && !stale || o.ours() || !p.usable() {
		p.suspected = false
	}
	switch {
	case !p.suspected:
		return following(began, p.started, p.spec.interval, p.phase)
	case o.good():
		return now
	}
	return now.Add(suspectPause)
}
