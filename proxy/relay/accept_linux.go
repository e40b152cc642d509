package relay

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

// perClient is how many events a loop may have found at once for each client that it takes in then. The kernel tells again of those who wait:
// a client is best served while its socket is in the processor's caches.
const perClient = 16

// uneven is how many more sessions than another loop has, a loop may have and still keep a new client: handing it over costs a wake-up.
const uneven = 64

// entranceKey is what the first entrance is called in events, and the others below it.
const entranceKey = bare.Bell - 1

// entrance is a listening socket in the loops. All of them wait for it and the kernel wakes one: that needs no SO_REUSEPORT, which would let
// a second process take half of the clients unseen.
type entrance struct {
	fd   int
	door Door
	shut bool // a loop's own; each has its own entrance
}

// Listen lets the loops take in clients from a listening socket, which does not block and which Go's poller does not know.
func (e *Engine) Listen(fd int, d Door) error {
	e.once.Do(e.open)
	if len(e.loops) == 0 {
		return unix.EMFILE
	}
	for _, l := range e.loops {
		l.post(letter{open: &entrance{fd: fd, door: d}})
	}
	return nil
}

// Unlisten returns when no loop takes in clients from there any more.
func (e *Engine) Unlisten(fd int) {
	e.once.Do(e.open)
	for range 2 { // whom one loop let in last may be on its way to another
		for _, l := range e.loops {
			done := make(chan struct{})
			l.post(letter{shut: fd, done: done})
			<-done
		}
	}
}

// Recall gives all calls back that are not settled.
func (e *Engine) Recall() {
	e.once.Do(e.open)
	for _, l := range e.loops {
		l.post(letter{recall: true})
	}
}

func (l *loop) watch(e *entrance) {
	if e.shut {
		return
	}
	for i, old := range l.entrances {
		if old == nil || old == e {
			l.entrances[i] = e
			if l.set.Add(e.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, entranceKey-int32(i)) != nil {
				l.again(e, watchAgain)
			}
			return
		}
	}
	l.entrances = append(l.entrances, nil)
	l.watch(e)
}

// watchAgain is when an entrance is tried again for which the kernel had no room (register says when): its clients wait.
const watchAgain = 100 * time.Millisecond

// again watches an entrance after a while.
func (l *loop) again(e *entrance, after time.Duration) {
	time.AfterFunc(after, func() { l.post(letter{open: e}) })
}

func (l *loop) unwatch(fd int) {
	for i, e := range l.entrances {
		if e != nil && e.fd == fd {
			e.shut = true
			l.entrances[i] = nil
			l.set.Remove(fd)
		}
	}
}

// admit takes in who waits at an entrance; after many events several, lest sessions keep clients waiting.
func (l *loop) admit(e *entrance) {
	for range 1 + l.found/perClient {
		fd, from, errno := bare.Accept(e.fd)
		switch errno {
		case 0:
			if pause := e.door.Room(fd); pause > 0 {
				l.pause(e, pause)
				return
			}
			l.enter(visitor{e.door, fd, from})
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
		default:
			l.pause(e, e.door.Stuck(errno))
			return
		}
	}
}

// pause looks away from an entrance for a while: it would be a busy loop, as the client goes on waiting there.
func (l *loop) pause(e *entrance, d time.Duration) {
	l.set.Remove(e.fd)
	l.again(e, d)
}

// visitor is a client that was taken in.
type visitor struct {
	door Door
	fd   int
	from netip.AddrPort
}

// enter keeps a client, or hands it to a loop that has less to do.
func (l *loop) enter(v visitor) {
	for _, other := range l.others {
		if other.load.Load()+uneven < l.load.Load() {
			other.load.Add(1) // until it has looked
			other.post(letter{visitor: v})
			return
		}
	}
	l.receive(v)
}

func (l *loop) receive(v visitor) {
	now := time.Now()
	l.now = max(l.now, now.Sub(base))
	if call := v.door.Enter(v.fd, v.from, now); call != nil {
		l.call(v.fd, call)
	}
}
