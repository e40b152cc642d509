package relay

import (
	"net"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// loops is one for each processor that the affinity mask and the limits of the control group leave us, as the program found them; none in
// a build without them.
var loops = countLoops()

func countLoops() int {
	if plainOnly {
		return 0
	}
	return min(runtime.NumCPU(), runtime.GOMAXPROCS(0))
}

// Loops is how many threads an Engine takes for itself. With GOMAXPROCS above that they wait for the next event for some milliseconds
// without giving their processor back to Go's scheduler, which halves what a lonely session costs.
func Loops() int { return loops }

// Engine starts sessions. The zero value is ready.
type Engine struct {
	KeepAlive net.KeepAliveConfig // of sockets that the engine opens

	pipes pipes // of plain sessions

	once    sync.Once
	loops   []*loop // none: there were no descriptors for them
	running sync.WaitGroup
}

// Start takes the pair over and returns at once. It returns nil if there is TLS and no loop for it: then nothing was taken.
func (e *Engine) Start(p Pair) Session {
	e.once.Do(e.open)
	if len(e.loops) == 0 {
		return e.startPlain(p)
	}
	client, node, err := takeBoth(p.Client, p.Node)
	if err != nil { // no descriptor is left for the moment in which there are two of a socket
		return e.startPlain(p)
	}
	l := e.idlest()
	s := newPair(l, client, node, p)
	l.post(letter{pair: s, first: p.First, early: p.Early})
	return s
}

func (e *Engine) startPlain(p Pair) Session {
	if p.ClientTLS != nil || p.NodeTLS != nil {
		return nil
	}
	return startPlain(&e.pipes, p)
}

// idlest is the loop with the fewest sessions.
func (e *Engine) idlest() *loop {
	best := e.loops[0]
	for _, l := range e.loops[1:] {
		if l.load.Load() < best.load.Load() {
			best = l
		}
	}
	return best
}

func (e *Engine) open() {
	lend := runtime.GOMAXPROCS(0) <= loops
	for range loops {
		l, err := newLoop(lend, e.KeepAlive)
		if err != nil {
			continue
		}
		e.loops = append(e.loops, l)
	}
	for _, l := range e.loops {
		l.others = slices.DeleteFunc(slices.Clone(e.loops), func(other *loop) bool { return other == l })
		e.running.Go(l.run)
	}
}

// Close ends the loops, and with them what still runs. No session begins after it.
func (e *Engine) Close() {
	e.once.Do(func() {})
	for _, l := range e.loops {
		l.post(letter{stop: true})
	}
	e.running.Wait()
	e.loops = nil
	e.pipes.close()
}

// takeBoth takes two sockets, or none.
func takeBoth(client, node *net.TCPConn) (c, n int, err error) {
	if c, err = duplicate(client); err != nil {
		return 0, 0, err
	}
	if n, err = duplicate(node); err != nil {
		unix.Close(c)
		return 0, 0, err
	}
	client.Close()
	node.Close()
	return c, n, nil
}

// duplicate is a second descriptor of a socket, which Go's poller does not know: it forgets the first one when that is closed. A session
// that is registered there costs a wake-up for each piece, and three quarters of a KiB.
func duplicate(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if failed != nil {
		return 0, failed
	}
	return fd, err
}
