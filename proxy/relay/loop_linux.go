package relay

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// turn is how many chunks a session may move before others are looked at: a download delays no IDLE by more than half a megabyte.
const turn = 16

// keepProcessor is how many milliseconds a loop waits for events without giving its processor back to Go's scheduler: to get it back takes a
// wake-up of another thread. The collector waits for such a loop no longer than that, and mostly not at all, as its signal ends the wait.
const keepProcessor = 5

// loop is a thread that waits for all the events of its sessions. What it holds is touched by that thread alone, but for the inbox.
type loop struct {
	epoll, bell int
	lend        bool // Go's scheduler has no processor to spare
	now         time.Duration
	events      [256]unix.EpollEvent
	scratch     [chunk]byte
	sealed      []byte // what TLS has written and emit is to send
	gulp        *gulp  // nil: there was no bulk with TLS yet
	store       store

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

	rung atomic.Bool // the bell has been rung and not been heard

	mu    sync.Mutex // guards the following
	inbox []letter
	spare []letter // the inbox of the round before, to be filled again
	gone  bool     // the descriptors are closed
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
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, err
	}
	l := &loop{epoll: epoll, bell: bell, lend: lend, keepAlive: keepAlive, now: time.Since(base)}
	l.wheel = newWheel(l.now)
	if err := l.control(unix.EPOLL_CTL_ADD, bell, unix.EPOLLIN|unix.EPOLLET, nobody); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) close() {
	l.store.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	unix.Close(l.bell)
	unix.Close(l.epoll)
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
	n := l.wait()
	l.now = time.Since(base)
	for i := range l.events[:n] {
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
		return l.poll(0)
	}
	if !l.lend {
		if n := l.poll(keepProcessor); n > 0 {
			return n
		}
	}
	timeout := l.wheel.wait(time.Since(base))
	if timeout > 0 {
		timeout = (timeout + time.Millisecond - 1) / time.Millisecond
	}
	n, err := unix.EpollWait(l.epoll, l.events[:], int(timeout))
	if err != nil { // EINTR
		return 0
	}
	return n
}

// poll waits for so many milliseconds, unseen by Go's scheduler.
func (l *loop) poll(timeout int) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(timeout), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (l *loop) control(op, fd int, events uint32, key int32) error {
	return unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: key})
}

// event tells a side of a pair what has become of its socket.
func (l *loop) event(e *unix.EpollEvent) {
	switch {
	case e.Fd == nobody:
		l.rung.Store(false) // each ring is an edge, so the bell need not be read
		return
	case e.Fd < nobody:
		if e := l.entrances[-2-e.Fd]; e != nil {
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
func (l *loop) post(m letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return
	}
	l.inbox = append(l.inbox, m)
	if l.rung.CompareAndSwap(false, true) {
		unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

func (l *loop) read() {
	l.mu.Lock()
	letters := l.inbox
	l.inbox = l.spare[:0]
	l.mu.Unlock()
	for i, m := range letters {
		letters[i] = letter{}
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
	l.spare = letters
}

// expire looks at the pairs whose timer has come.
func (l *loop) expire() {
	for number := l.wheel.pop(l.now); number != nobody; number = l.wheel.pop(l.now) {
		l.overdue(l.pairs[number])
	}
}
