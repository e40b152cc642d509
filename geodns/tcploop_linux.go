package geodns

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	acceptBatch = 32          // clients that are taken in before others are looked at
	turnTCP     = 4           // reads of a connection before others are looked at: a flood of questions delays nobody by more than some milliseconds
	lastTCP     = time.Second // at the end, for clients that take their answers slowly
)

// keepProcessor is how many milliseconds the loop waits for events without giving its processor back to Go's scheduler: to get it back takes
// a wake-up of another thread. The collector waits for the loop no longer than that, and mostly not at all, as its signal ends the wait.
const keepProcessor = 5

// bellKey is what the bell is called in events. Connections are called by their number, listeners by numbers below it.
const bellKey = -1

// tcpLoop is a thread that answers over TCP. What it holds is touched by that thread alone, but for the inbox.
type tcpLoop struct {
	server      *Server
	worker      *worker
	epoll, bell int
	lend        bool // Go's scheduler has no processor to spare
	now         time.Time
	events      [128]unix.EpollEvent

	listeners []*tcpListener // nil: free
	paused    []*tcpListener // that are looked at again at resume
	resume    time.Time
	ending    bool
	until     time.Time // when ending is over

	counts        tcpCounts
	conns         []*tcpConn // by number
	free, leaving []*tcpConn // leaving: free when the events of this wait are done, some may be meant for who has gone
	queue, turns  []*tcpConn // those whose turn was over before their bytes were; turns is what queue becomes for a round
	idle, stalled ages

	in      [readTCP]byte
	out     [roomTCP]byte
	made    int     // bytes of out that are to be sent
	asked   buffers // lent to connections for questions
	answers buffers // and for answers

	questions chan *slowQuestion // never full
	slow      sync.WaitGroup

	rung atomic.Bool // the bell has been rung and not been heard

	mu    sync.Mutex // guards the following
	inbox []tcpLetter
	spare []tcpLetter // the inbox of the round before, to be filled again
}

// tcpLetter asks the loop for something.
type tcpLetter struct {
	open, shut *tcpListener
	done       chan struct{} // of shut
	conn       *tcpConn
	answer     []byte // for conn, with its length; empty: there is none
	stop       bool
}

func newTCPLoop(s *Server) (*tcpLoop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, err
	}
	l := &tcpLoop{
		server: s, worker: s.newWorker(Workers()), epoll: epoll, bell: bell,
		lend: runtime.GOMAXPROCS(0) <= Workers(), questions: make(chan *slowQuestion, maxTCP*slowTCP),
		asked: buffers{size: readTCP}, answers: buffers{size: roomTCP},
	}
	if err := l.control(unix.EPOLL_CTL_ADD, bell, unix.EPOLLIN|unix.EPOLLET, bellKey); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *tcpLoop) close() {
	unix.Close(l.bell)
	unix.Close(l.epoll)
}

// run answers until a letter stops it.
func (l *tcpLoop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range Workers() {
		l.slow.Go(l.answerSlowly)
	}
	for !l.ending || l.counts.all > 0 {
		l.step()
	}
	close(l.questions)
	l.slow.Wait()
	l.close()
}

// step waits for something to do and does it.
func (l *tcpLoop) step() {
	n := l.wait()
	l.now = time.Now()
	l.worker.begin()
	for i := range l.events[:n] {
		l.event(&l.events[i])
	}
	l.round()
	l.read()
	l.expire()
	l.worker.end()
	l.free = append(l.free, l.leaving...)
	l.leaving = l.leaving[:0]
}

// wait returns how many events there are; none when a time has come, or for no reason.
func (l *tcpLoop) wait() int {
	if len(l.queue) > 0 {
		return l.poll(0)
	}
	if !l.lend {
		if n := l.poll(keepProcessor); n > 0 {
			return n
		}
	}
	n, err := unix.EpollWait(l.epoll, l.events[:], l.timeout())
	if err != nil { // EINTR
		return 0
	}
	return n
}

// poll waits for so many milliseconds, unseen by Go's scheduler.
func (l *tcpLoop) poll(timeout int) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(timeout), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (l *tcpLoop) control(op, fd int, events uint32, key int32) error {
	return unix.EpollCtl(l.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: key})
}

func (l *tcpLoop) event(e *unix.EpollEvent) {
	switch {
	case e.Fd == bellKey:
		l.rung.Store(false) // each ring is an edge, so the bell need not be read
	case e.Fd < bellKey:
		if listener := l.listeners[bellKey-1-e.Fd]; listener != nil {
			l.admit(listener)
		}
	default:
		l.rouse(l.conns[e.Fd], e.Events)
	}
}

// round gives a turn to each connection of the queue.
func (l *tcpLoop) round() {
	l.queue, l.turns = l.turns[:0], l.queue
	for i, c := range l.turns {
		l.turns[i] = nil
		c.queued = false
		l.turn(c)
	}
}

// post leaves a letter, from any goroutine.
func (l *tcpLoop) post(m tcpLetter) {
	l.mu.Lock()
	l.inbox = append(l.inbox, m)
	l.mu.Unlock()
	if l.rung.CompareAndSwap(false, true) {
		unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

func (l *tcpLoop) read() {
	l.mu.Lock()
	letters := l.inbox
	l.inbox = l.spare[:0]
	l.mu.Unlock()
	for i, m := range letters {
		letters[i] = tcpLetter{}
		switch {
		case m.stop:
			l.stop()
		case m.open != nil:
			l.watchListener(m.open)
		case m.shut != nil:
			l.forgetListener(m.shut)
			close(m.done)
		default:
			l.answered(m.conn, m.answer)
		}
	}
	l.spare = letters
}
