package proxy

import (
	"slices"
	"sync/atomic"
	"time"
)

// leaving is how far a conversation is on its way to the end.
type leaving uint8

const (
	leavingStream  leaving = iota // events come, and it is to be told
	leavingAwaited                // it ends with the response in flight
	leavingTold                   // it ends now
	leavingCut
)

// goodbyes ends conversations in their own way: between two requests at once, with the next response where one is in flight, and in
// streams of events between two of them, paced. What is left at the deadline is cut.
func (d *drain) goodbyes(passed time.Duration) {
	all := d.conversing()
	if passed >= d.deadline {
		for _, c := range all {
			if c.watch.stopOn(d.subject, endCut) {
				d.talks[c] = leavingCut
			}
		}
		return
	}
	var streams []*conversation
	for _, c := range all {
		switch {
		case d.talks[c] == leavingTold:
		case c.watch.goodbye(false):
			d.talks[c] = leavingTold
		case phase(c.watch.phase.Load()) == phaseEvents:
			d.talks[c] = leavingStream
			streams = append(streams, c)
		default:
			d.talks[c] = leavingAwaited
		}
	}
	for _, c := range streams[:d.streams.due(len(streams), passed, d.deadline)] {
		c.watch.goodbye(true)
		d.talks[c] = leavingTold
	}
}

// conversing are the conversations that the drain is about. Of a part of the nodes: those that have a request in flight there.
func (d *drain) conversing() []*conversation {
	all := d.server.live.conversing()
	if d.whole() {
		return all
	}
	return slices.DeleteFunc(all, func(c *conversation) bool {
		b := c.watch.inFlight().backend
		return b == nil || !d.subject.Covers(b)
	})
}

// partings count the conversations that we ended.
type partings struct{ quiet, cut atomic.Int64 }

func (p *partings) note(why end) {
	switch why {
	case endDrained:
		p.quiet.Add(1)
	case endCut:
		p.cut.Add(1)
	}
}
