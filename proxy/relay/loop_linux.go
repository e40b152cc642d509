package relay

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

// turn is how many chunks a session may move before others are looked at: a download delays no IDLE by more than half a megabyte.
const turn = 16

// loop is a thread that waits for all the events of its sessions. What it holds is touched by that thread alone, but for the inbox.
type loop struct {
	set     *bare.Set
	now     time.Duration
	events  [256]unix.EpollEvent
	found   int // events of this wait
	scratch [chunk]byte
	sealed  []byte // what TLS has written and emit is to send
	gulp    *gulp  // nil: there was no bulk with TLS yet
	store   store

	pairs   []*pair // by number
	free    []int32 // numbers
	leaving []int32 // numbers that are free when the events of this wait are done: some may be meant for who had them
	queue   []*pair // sessions whose turn was over before their bytes were
	turns   []*pair // what queue becomes for a round
	wheel   *wheel
	stopped bool

	entrances []*entrance // by the number in their events; nil: free
	others    []*loop     // all others of the engine
	keepAlive net.KeepAliveConfig
	load      atomic.Int32 // pairs

	inbox bare.Inbox[letter]
}

// letter asks a loop for something.
type letter struct {
	pair  *pair
	first []byte
	early []byte
	end   bool // the pair has an end

	visitor visitor
	open    *entrance
	shut    int // the descriptor of an entrance
	done    chan struct{}

	recall, stop bool
}

func newLoop(lend bool, keepAlive net.KeepAliveConfig) (*loop, error) {
	set, err := bare.NewSet(lend)
	if err != nil {
		return nil, err
	}
	l := &loop{set: set, keepAlive: keepAlive, now: time.Since(base)}
	l.wheel = newWheel(l.now)
	return l, nil
}

func (l *loop) close() {
	l.store.close()
	l.inbox.Shut()
	l.set.Close()
}

// run serves sessions until a letter stops it.
func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for !l.stopped {
		l.step()
	}
	l.recall()
	for _, p := range l.pairs {
		if p != nil {
			p.note(Cut)
			l.finish(p)
		}
	}
	l.close()
}

// step waits for something to do and does it.
func (l *loop) step() {
	l.found = l.wait()
	l.now = time.Since(base)
	for i := range l.events[:l.found] {
		l.event(&l.events[i])
	}
	l.round()
	l.read()
	l.expire()
	l.free = append(l.free, l.leaving...)
	l.leaving = l.leaving[:0]
}

// wait returns how many events there are; none when a timer or the run queue is due, or for no reason.
func (l *loop) wait() int {
	if len(l.queue) > 0 {
		return l.set.Now(l.events[:])
	}
	if n := l.set.Soon(l.events[:]); n > 0 {
		return n
	}
	timeout := l.wheel.wait(time.Since(base))
	if timeout > 0 {
		timeout = (timeout + time.Millisecond - 1) / time.Millisecond
	}
	return l.set.Wait(l.events[:], int(timeout))
}

// event tells a side of a pair what has become of its socket.
func (l *loop) event(e *unix.EpollEvent) {
	switch {
	case e.Fd == bare.Bell:
		l.set.Heard()
		return
	case e.Fd <= entranceKey:
		if e := l.entrances[entranceKey-e.Fd]; e != nil {
			l.admit(e)
		}
		return
	}
	p := l.pairs[e.Fd>>1]
	if p == nil {
		return
	}
	s := &p.client
	if e.Fd&1 != 0 {
		s = &p.node
	}
	const over = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	if e.Events&(unix.EPOLLIN|over) != 0 {
		s.set(readable)
	}
	if e.Events&(unix.EPOLLPRI|over) != 0 { // a read stops short at urgent data
		s.set(hungUp)
	}
	if e.Events&(unix.EPOLLOUT|over) != 0 {
		s.unset(full)
	}
	if !p.queued {
		l.turn(p)
	}
}

// round gives a turn to each session of the run queue.
func (l *loop) round() {
	l.queue, l.turns = l.turns[:0], l.queue
	for i, p := range l.turns {
		l.turns[i] = nil
		p.queued = false
		l.turn(p)
	}
}

func (l *loop) later(p *pair) {
	p.queued = true
	l.queue = append(l.queue, p)
}

// post leaves a letter, from any goroutine.
func (l *loop) post(m letter) { l.inbox.Post(m, l.set) }

func (l *loop) read() { l.inbox.Read(l.do) }

// do does what a letter asks for.
func (l *loop) do(m letter) {
	switch {
	case m.stop:
		l.stopped = true
	case m.recall:
		l.recall()
	case m.visitor.door != nil:
		l.load.Add(-1) // as it was counted when it was sent
		l.receive(m.visitor)
	case m.open != nil:
		l.watch(m.open)
	case m.done != nil:
		l.unwatch(m.shut)
		close(m.done)
	case !m.end:
		l.begin(m.pair, m.first, m.early)
	case m.pair.number != nobody:
		l.finish(m.pair)
	}
}

// expire looks at the pairs whose timer has come.
func (l *loop) expire() {
	for number := l.wheel.pop(l.now); number != nobody; number = l.wheel.pop(l.now) {
		l.overdue(l.pairs[number])
	}
}
