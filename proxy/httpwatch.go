package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/routing"
)

// phase is what a conversation is doing.
type phase uint32

const (
	phaseIdle   phase = iota // between requests
	phaseHead                // a request has begun
	phaseBusy                // a request is in flight
	phaseEvents              // its response is a stream of events
)

// httpTimes bound what clients may take.
type httpTimes struct {
	idle   time.Duration // between requests
	head   time.Duration // from a head's first byte to its last
	body   time.Duration // silence of a client that is sending a body
	events time.Duration // how often we look whether the reader of a stream of events is still there
}

// usualTimes: browsers keep connections for one to five minutes; a longer time for a head or a body only helps those who hold
// connections open; the look costs a system call for each stream.
var usualTimes = httpTimes{idle: 90 * time.Second, head: 10 * time.Second, body: time.Minute, events: 15 * time.Second}

// watch ends a conversation that is late. Deadlines of the sockets would have to be set several times for each request; this timer is
// set anew only where it would fire too late, and when it fires too early.
type watch struct {
	client *net.TCPConn
	look   time.Duration // at the reader of a stream of events
	phase  atomic.Uint32
	due    atomic.Int64 // when the conversation is late, in nanoseconds since base
	plan   atomic.Int64 // when the timer fires
	bye    atomic.Bool  // the next response is the last one
	adieu  atomic.Bool  // and so is the present event, of a stream

	mu    sync.Mutex // guards the following
	timer *time.Timer
	flight
	why  end  // why the conversation must end
	over bool // it has
}

// flight is a request at its node. The zero value is none.
type flight struct {
	node    *net.TCPConn
	backend *routing.Backend
	since   time.Time
}

// enter begins a phase that may take so long.
func (w *watch) enter(p phase, limit time.Duration) {
	w.phase.Store(uint32(p))
	w.within(limit)
	if p == phaseEvents { // the first look at its reader
		w.replan(int64(time.Since(base) + w.look))
	}
}

// within is called whenever something has moved.
func (w *watch) within(limit time.Duration) {
	due := int64(time.Since(base) + limit)
	w.due.Store(due)
	if due < w.plan.Load() || w.timer == nil {
		w.replan(due)
	}
}

func (w *watch) replan(due int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.plan.Store(due)
	left := time.Duration(due) - time.Since(base)
	if w.timer == nil {
		w.timer = time.AfterFunc(left, w.fire)
		return
	}
	w.timer.Reset(left)
}

// fire looks whether the conversation is late. The plan is set before due is read again: whoever makes due earlier meanwhile sees it.
func (w *watch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	for {
		now, due := time.Since(base), time.Duration(w.due.Load())
		events := phase(w.phase.Load()) == phaseEvents
		switch {
		case due <= now:
			w.end(endIdle)
			return
		case events && leftReading(w.client):
			w.end(endClient)
			return
		case events:
			due = min(due, now+w.look)
		}
		w.plan.Store(int64(due))
		if time.Duration(w.due.Load()) >= due {
			w.timer.Reset(due - now)
			return
		}
	}
}

// end wakes whoever reads or writes. The caller holds mu.
func (w *watch) end(why end) {
	if w.why == underway {
		w.why = why
	}
	w.client.SetDeadline(past)
	if w.node != nil {
		w.node.SetDeadline(past)
	}
}

// stop ends the conversation from any goroutine.
func (w *watch) stop(why end) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.end(why)
	}
}

// stopOn is stop for a conversation that has a request in flight on a subject; the zero Subject is about any conversation. It is
// true where this call ended it.
func (w *watch) stopOn(subject routing.Subject, why end) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	elsewhere := subject != (routing.Subject{}) && (w.backend == nil || !subject.Covers(w.backend))
	if w.over || w.why != underway || elsewhere {
		return false
	}
	w.end(why)
	return true
}

// clear takes a deadline back that was set for another reason than the end.
func (w *watch) clear(c *net.TCPConn) {
	c.SetReadDeadline(time.Time{})
	if w.stopped() != underway {
		c.SetDeadline(past)
	}
}

// stopped is why the conversation must end.
func (w *watch) stopped() end {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

// attach lets the watch know the request in flight. It is false where the conversation must end.
func (w *watch) attach(f flight) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flight = f
	return w.why == underway
}

// retire ends the watch over a conversation that goes on as something else. It is false where it must end.
func (w *watch) retire() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.why != underway {
		return false
	}
	w.flight, w.over = flight{}, true
	w.timer.Stop()
	return true
}

// detach is the reverse: if it is true the node's socket has been left alone.
func (w *watch) detach() bool { return w.attach(flight{}) }

func (w *watch) inFlight() flight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flight
}

// close ends the watch itself.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// goodbye asks for an end at the next moment that does no harm. It says whether that is now: between two requests, or, with events
// set, in a stream of events, whose relay finds the place between two of them.
func (w *watch) goodbye(events bool) bool {
	w.bye.Store(true)
	if events {
		w.adieu.Store(true)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch p := phase(w.phase.Load()); {
	case w.over || w.why != underway:
		return false
	case p == phaseIdle:
		w.client.SetReadDeadline(past)
		return true
	case p == phaseEvents && events && w.node != nil:
		w.node.SetReadDeadline(past)
		return true
	}
	return false
}
