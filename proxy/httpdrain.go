package proxy

import (
	"sync/atomic"
	"time"
)

// goodbyes ends conversations in their own way: between two requests at once, with the next response where one is in flight, and in
// streams of events between two of them, a share at a time. What is left at the deadline is cut.
func (d *drain) goodbyes(passed time.Duration) {
	all := d.server.live.conversing()
	if passed >= d.deadline {
		for _, c := range all {
			c.watch.stop(endCut)
		}
		return
	}
	var streams []*conversation
	for _, c := range all {
		switch {
		case d.told[c]:
		case c.watch.goodbye(false):
			d.told[c] = true
		case phase(c.watch.phase.Load()) == phaseEvents:
			streams = append(streams, c)
		}
	}
	for _, c := range streams[:d.shareOf(len(streams), passed)] {
		c.watch.goodbye(true)
		d.told[c] = true
	}
}

// partings count the conversations that ended because the process does.
type partings struct{ quiet, cut atomic.Int64 }

func (p *partings) note(why end) {
	switch why {
	case endDrained:
		p.quiet.Add(1)
	case endCut:
		p.cut.Add(1)
	}
}

// conversing are the conversations that live.
func (r *registry) conversing() []*conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []*conversation
	for _, s := range r.all {
		if c := s.http.Load(); c != nil {
			some = append(some, c)
		}
	}
	return some
}
