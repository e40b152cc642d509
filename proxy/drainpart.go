package proxy

import (
	"context"
	"time"

	"posthouse/routing"
)

// Drained is how far a drain has come.
type Drained struct {
	Sessions int // that it was about so far: live sessions, and HTTP connections with a request in flight
	Open     int // of these are left
	Left     int // ended by themselves
	Quiet    int // were closed at a quiet moment, or told to go with their last response
	Cut      int // were closed at the deadline
}

// Drain ends the sessions on what a subject covers within a time, as the end of the process ends all. The caller has seen to it that
// routing sends no new ones there. It tells after each step how far it is, and returns when no session is left, when ctx ends (those
// that are left live on) or when the process ends, which has a drain of its own. Goodbyes in the words of mail protocols will have their place in step, before
// the relays that it closes.
func (s *Server) Drain(ctx context.Context, subject routing.Subject, within time.Duration, tell func(Drained)) Drained {
	d := newDrain(s, subject, within)
	for empty := false; ; {
		began := time.Now()
		d.step()
		now := d.progress()
		tell(now)
		was := empty
		if empty = now.Open == 0 && s.counted(subject) == 0; empty && was {
			return now // twice: a session that was being routed as the mark came is counted by now
		}
		select {
		case <-time.After(max(drainTick, drainLeisure*time.Since(began))):
		case <-ctx.Done():
			return now
		case <-s.life.Done():
			return now
		}
	}
}

// drainLeisure bounds what a drain beside running sessions takes: at most 1/20 of a core.
const drainLeisure = 20

// counted is how many sessions routing counts on a subject, those that wait for its greeting included.
func (s *Server) counted(subject routing.Subject) (n int64) {
	for _, b := range s.Router.Table().Backends() {
		if subject.Covers(b) {
			n += b.Sessions()
		}
	}
	return n
}

// progress is how far a drain of a part is.
func (d *drain) progress() Drained {
	open, talking := d.open(), d.conversing()
	for _, n := range open {
		d.met[n] = false
	}
	for c := range d.talks {
		if c.session.relay.Load() != nil {
			delete(d.talks, c) // it is a WebSocket now, which counts as a session
		}
	}
	here := make(map[*conversation]bool, len(talking))
	for _, c := range talking {
		here[c] = true
		if _, met := d.talks[c]; !met {
			d.talks[c] = leavingAwaited
		}
	}
	p := Drained{Sessions: len(d.met) + len(d.talks), Open: len(open) + len(talking), Quiet: d.quiet, Cut: d.cut}
	for c, t := range d.talks {
		switch {
		case here[c]:
		case t == leavingCut:
			p.Cut++
		case t != leavingStream:
			p.Quiet++
		}
	}
	p.Left = max(p.Sessions-p.Open-p.Quiet-p.Cut, 0)
	return p
}
