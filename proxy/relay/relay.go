// Package relay moves bytes between a client and a node once both ends are connected.
//
// An Engine starts Sessions, each of which owns a Pair of sockets until both are closed and then calls Done, once.
// A half-close is passed on as a half-close and a reset as a reset; silence of both sides beyond Idle ends the session.
// What a drain must know of a session (who spoke last, whether a line ended, how long ago) is in its Facts.
//
// This is the plain form: a goroutine for each direction, which waits for bytes without a buffer and without a pipe, copies small
// pieces through a borrowed buffer and splices bulk through a borrowed pipe.
package relay

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// halfClosed bounds the silence of a session after one side has closed: a node that is frozen would otherwise hold the
// sessions of all clients that gave up until they are idle. RFC 5321, 4.5.3.2.6 lets a server take 10 minutes to answer.
const halfClosed = 10 * time.Minute

// lastWords is how long we read on from a side whose bytes nobody wants any more. Closing with unread input sends a
// reset, and the peer then loses what it has not read yet (RFC 9293, 3.6.1).
const lastWords = time.Second

// End says what ended a session: whatever happened first.
type End uint8

const (
	ClientLeft  End = iota + 1 // the client closed
	NodeLeft                   // the node closed
	ClientReset                // the client reset the connection, or keep-alive found it gone
	NodeReset                  // the node did
	Idle                       // nothing moved for Pair.Idle
	Drained                    // closed by us at a quiet moment
	Cut                        // closed by us whatever it was doing
)

// Pair is what Start takes over. Nobody else may read, write or close the sockets after it.
type Pair struct {
	Client, Node *net.TCPConn
	First        []byte        // what the node has said already; goes to the client before anything else
	Idle         time.Duration // 0: for ever
	Done         func(Result)  // called once when both sockets are closed, from a goroutine of the relay
}

// Result is what is known of a session when it is over.
type Result struct {
	Up, Down int64 // bytes from the client, bytes from the node, as far as they were passed on
	End      End
	TLS      bool // the client began a TLS handshake on the way
}

// Engine starts sessions. The zero value is ready.
type Engine struct{ pipes pipes }

// Session is one pair of sockets being relayed.
type Session struct {
	up, down direction
	idle     time.Duration
	done     func(Result)
	end      atomic.Uint32 // an End; the first one stays
	running  atomic.Int32  // directions
	half     atomicStamp   // when a direction ended; not before running is 1

	mu    sync.Mutex // guards the following
	timer *time.Timer
}

// Start takes the pair over and returns at once.
func (e *Engine) Start(p Pair) *Session {
	s := &Session{idle: p.Idle, done: p.Done}
	s.up.join(s, e, p.Client, p.Node)
	s.down.join(s, e, p.Node, p.Client)
	s.running.Store(2)
	s.watch()
	go s.down.run(p.First)
	go s.up.run(nil)
	return s
}

// Close ends the session from any goroutine; a session that has an end already keeps that.
func (s *Session) Close(why End) {
	s.note(why)
	s.wake(past)
}

// past as a deadline makes every read and write return.
var past = time.Unix(1, 0)

func (s *Session) wake(deadline time.Time) {
	s.up.src.SetDeadline(deadline)
	s.down.src.SetDeadline(deadline)
}

func (s *Session) note(why End) { s.end.CompareAndSwap(0, uint32(why)) }

// ended is called by each direction when it is over; the last one closes.
func (s *Session) ended(d *direction) {
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
		passReset(s.down.src)
	case NodeReset:
		passReset(s.up.src)
	}
	s.up.src.Close()
	s.down.src.Close()
	s.done(Result{Up: s.up.moved.Load(), Down: s.down.moved.Load(), End: end, TLS: s.up.tls.Load()})
}

// watch arms the timer of the silence that is allowed, or arms it again for what is left of it. A timer that is set anew
// only when it fires costs nothing for each byte.
func (s *Session) watch() {
	if s.idle <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, silent := s.idle, s.Facts().Silent
	switch s.running.Load() {
	case 0:
		return
	case 1: // to close one side is to say something: what was silent before does not count
		limit, silent = min(limit, halfClosed), min(silent, time.Since(base)-s.half.Load().when())
	}
	left := limit - silent
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
func (s *Session) watchHalf() {
	if s.idle > halfClosed {
		s.watch()
	}
}
