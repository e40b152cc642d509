package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// plain is the form of a session that every system has: a goroutine for each direction, which waits for bytes without a buffer and
// without a pipe, copies small pieces through a borrowed buffer and splices bulk through a borrowed pipe. It is what the engine
// is compared with, and what takes over where the engine has no descriptor left.
type plain struct {
	up, down direction
	idle     time.Duration
	owner    Owner
	end      atomic.Uint32 // an End; the first one stays
	running  atomic.Int32  // directions
	half     atomicStamp   // when a direction ended; not before running is 1

	mu    sync.Mutex // guards the following
	timer *time.Timer
}

// startPlain takes the pair over and returns at once.
func startPlain(kept *pipes, p Pair) *plain {
	s := &plain{idle: p.Idle, owner: p.Owner}
	s.up.join(s, kept, p.Client, p.Node)
	s.down.join(s, kept, p.Node, p.Client)
	s.running.Store(2)
	s.watch()
	go s.down.run(p.First)
	go s.up.run(p.Early)
	return s
}

// Close ends the session from any goroutine; a session that has an end already keeps that.
func (s *plain) Close(why End) {
	s.note(why)
	s.wake(past)
}

// past as a deadline makes every read and write return.
var past = time.Unix(1, 0)

func (s *plain) wake(deadline time.Time) {
	s.up.src.SetDeadline(deadline)
	s.down.src.SetDeadline(deadline)
}

func (s *plain) note(why End) { s.end.CompareAndSwap(0, uint32(why)) }

// ended is called by each direction when it is over; the last one closes.
func (s *plain) ended(d *direction) {
	s.half.Store(stampNow(0))
	if s.running.Add(-1) > 0 {
		s.watchHalf()
		return
	}
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	end := End(s.end.Load())
	switch end {
	case ClientReset:
		PassReset(s.down.src)
	case NodeReset:
		PassReset(s.up.src)
	}
	s.up.src.Close()
	s.down.src.Close()
	s.owner.Ended(Result{Up: s.up.moved.Load(), Down: s.down.moved.Load(), End: end, TLS: s.up.tls.Load()})
}

// watch arms the timer of the silence that is allowed, or arms it again for what is left of it. A timer that is set anew
// only when it fires costs nothing for each byte.
func (s *plain) watch() {
	if s.idle <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	half := time.Duration(-1)
	switch s.running.Load() {
	case 0:
		return
	case 1:
		half = time.Since(base) - s.half.Load().when()
	}
	left := allowed(s.idle, s.Facts().Silent, half)
	switch {
	case s.timer == nil:
		s.timer = time.AfterFunc(left, s.watch)
	case left <= 0:
		s.Close(Idle)
	default:
		s.timer.Reset(left)
	}
}

// watchHalf lets the shorter limit of a half-closed session count.
func (s *plain) watchHalf() {
	if s.idle > halfClosed {
		s.watch()
	}
}

// Facts may be called from any goroutine.
func (s *plain) Facts() Facts {
	f := factsOf(&s.up.record, &s.down.record, s.up.tls.Load())
	f.NodeSpokeLast = s.down.spoke.Load() >= s.up.spoke.Load()
	return f
}
