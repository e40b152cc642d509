package proxy

import (
	"errors"
	"os"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

// How long a walk takes, and each node in it. A node has timeouts.connect to accept and timeouts.greeting to speak. All nodes may be
// frozen, and a client should hear our words after one node's time and not after that of all attempts: the whole walk
// ends after twice timeouts.greeting, or after the first node's full time and timeouts.greeting if connecting may take longer.
//
// So the first node that is silent may have all of its time, and those that are asked later share what is left: each has half of
// it, the last attempt all of it, and none less than check.timeout, within which a node that is up has greeted its probes. Nodes
// that refuse or hang up take none of it. With the usual times (10 s, four attempts, no hedge) four silent nodes
// are given up after 10, 15, 18 and 20 s.

// longest is how long a walk may take.
func longest(t config.Timeouts) time.Duration { return t.Greeting + max(t.Greeting, t.Connect) }

// until is when an attempt that begins now is given up.
func (w *walk) until(s *config.Service, now time.Time) time.Time {
	last := w.tried+1 >= s.Attempts
	if !w.silent || last {
		return w.end
	}
	left := w.end.Sub(now)
	return now.Add(min(left, max(left/2, s.Check.Timeout)))
}

func (w *walk) hedgeAfter(b *routing.Backend) time.Duration {
	if w.mode == commitOnConnect && w.session.service.Protocol != config.HTTP {
		return 0
	}
	return b.Hedge()
}

// Looking whether the client is still there costs two system calls. A walk that takes its time looks after lookFirst, then
// less and less often.
const (
	lookFirst = 100 * time.Millisecond
	lookMost  = 500 * time.Millisecond
)

// patience is the time to the next look at the client, or to the hedge if that is sooner.
func (w *walk) patience() time.Duration {
	wait := time.Until(w.looked.Add(w.look))
	if len(w.flying) == 1 && !w.exhausted {
		if hedge := w.hedgeAfter(w.flying[0].backend); hedge > 0 {
			wait = min(wait, time.Until(w.flying[0].began.Add(hedge)))
		}
	}
	return max(wait, time.Millisecond)
}

// clientLeft looks for the client when it is time to. One that an operator has ended has left too.
func (w *walk) clientLeft() bool {
	if time.Since(w.looked) < w.look {
		return false
	}
	w.looked = time.Now()
	w.look = min(2*w.look, lookMost)
	s := w.session
	if c := s.http.Load(); c != nil && c.watch.stopped() != underway {
		return true
	}
	patient := w.mode == commitOnConnect || w.mode == commitOnHandshake
	if patient || s.secure == nil {
		return gone(s.client, patient)
	}
	return gone(s.client, true) || leftReading(s.client) && s.leftInside()
}

// leftInside says whether a client that has shut down its side said nothing before that. What it said may be in crypto/tls already, and
// what waits outside may be its close_notify only.
func (s *session) leftInside() bool {
	if s.early != nil {
		return false
	}
	first := make([]byte, 1)
	n, err := readNow(s.secure, first)
	if n > 0 {
		s.early = first
	}
	return n == 0 && !errors.Is(err, os.ErrDeadlineExceeded)
}
