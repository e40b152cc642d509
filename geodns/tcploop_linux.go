package geodns

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

const (
	acceptBatch = 32          // clients that are taken in before others are looked at
	turnTCP     = 4           // reads of a connection before others are looked at: a flood of questions delays nobody by more than some milliseconds
	lastTCP     = time.Second // at the end, for clients that take their answers slowly
)

// listenerKey is what the first listener is called in events, and the others below it. Connections are called by their number.
const listenerKey = bare.Bell - 1

// tcpLoop is a thread that answers over TCP. What it holds is touched by that thread alone, but for the inbox.
type tcpLoop struct {
	server *Server
	worker *worker
	set    *bare.Set
	now    time.Time
	events [128]unix.EpollEvent

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

	inbox bare.Inbox[tcpLetter]
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
	set, err := bare.NewSet(runtime.GOMAXPROCS(0) <= Workers())
	if err != nil {
		return nil, err
	}
	return &tcpLoop{
		server: s, worker: s.newWorker(Workers()), set: set, questions: make(chan *slowQuestion, maxTCP*slowTCP),
		asked: buffers{size: readTCP}, answers: buffers{size: roomTCP},
	}, nil
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
	l.inbox.Shut()
	l.set.Close()
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
		return l.set.Now(l.events[:])
	}
	if n := l.set.Soon(l.events[:]); n > 0 {
		return n
	}
	return l.set.Wait(l.events[:], l.timeout())
}

func (l *tcpLoop) event(e *unix.EpollEvent) {
	switch {
	case e.Fd == bare.Bell:
		l.set.Heard()
	case e.Fd <= listenerKey:
		if listener := l.listeners[listenerKey-e.Fd]; listener != nil {
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
func (l *tcpLoop) post(m tcpLetter) { l.inbox.Post(m, l.set) }

func (l *tcpLoop) read() { l.inbox.Read(l.do) }

// do does what a letter asks for.
func (l *tcpLoop) do(m tcpLetter) {
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
