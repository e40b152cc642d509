package geodns

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// deferTCP is how many seconds the kernel keeps a connection to itself that has asked nothing: most ask at once, and so cost one wake-up
// less. After that it is a connection like any other.
const deferTCP = 1

// Threads is how many threads the Server takes for itself: those of UDP, and one for all of TCP.
func Threads() int { return Workers() + 1 }

// tcpListener is a listening socket that Go's poller does not know.
type tcpListener struct {
	address netip.AddrPort
	fd      int
	shut    bool // guarded by the tcpSide
}

func bindTCP(a netip.AddrPort) (*tcpListener, error) {
	bound, err := listenTCP(a)
	if err != nil {
		return nil, err
	}
	defer bound.Close()
	raw, err := bound.SyscallConn()
	if err != nil {
		return nil, err
	}
	l := &tcpListener{address: a}
	failed := raw.Control(func(fd uintptr) { l.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if failed != nil || err != nil {
		return nil, errors.Join(failed, err)
	}
	for option, value := range map[int]int{
		unix.TCP_NODELAY:      1, // connections inherit it
		unix.TCP_DEFER_ACCEPT: deferTCP,
	} {
		if err := unix.SetsockoptInt(l.fd, unix.IPPROTO_TCP, option, value); err != nil {
			l.close()
			return nil, fmt.Errorf("socket option %d: %w", option, err)
		}
	}
	return l, nil
}

// close closes what was never served.
func (l *tcpListener) close() { unix.Close(l.fd) }

// tcpSide is what a Server has for TCP: one thread for all addresses, so that nothing of it needs a lock. It serves some 20,000 connections a
// second, or two million questions, and what takes long is not done on it.
type tcpSide struct {
	mu    sync.Mutex // guards the following
	loop  *tcpLoop   // nil before the first listener is served
	ended bool
}

// serve lets the loop take in who comes to a listener. It returns at once, or tries again as long as there are no descriptors for a loop.
func (t *tcpSide) serve(s *Server, l *tcpListener, ended <-chan struct{}) {
	for {
		err := t.give(s, l)
		if err == nil {
			return
		}
		s.Log.Warn("dns: nobody is answered over TCP", "address", l.address.String(), "why", err.Error())
		select {
		case <-ended:
			return
		case <-time.After(acceptPause):
		}
	}
}

func (t *tcpSide) give(s *Server, l *tcpListener) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.shut || t.ended {
		return nil
	}
	if t.loop == nil {
		loop, err := newTCPLoop(s)
		if err != nil {
			return err
		}
		t.loop = loop
		s.running.Go(loop.run)
	}
	t.loop.post(tcpLetter{open: l})
	return nil
}

// unserve closes a listener. When it returns the address is free for others; the connections stay.
func (t *tcpSide) unserve(l *tcpListener) {
	t.mu.Lock()
	l.shut = true
	loop := t.loop
	t.mu.Unlock()
	if loop != nil {
		done := make(chan struct{})
		loop.post(tcpLetter{shut: l, done: done})
		<-done
	}
	l.close()
}

// end lets the loop end when what has been asked is answered. All listeners are closed.
func (t *tcpSide) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.loop != nil {
		t.loop.post(tcpLetter{stop: true})
	}
}
