package proxy

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// listener is a socket that clients connect to. It stays open across reloads: closing it would reset what waits in its
// queue. What a reload changes is its front.
type listener struct {
	server  *Server
	address netip.AddrPort
	bound   netip.AddrPort // the same, with the port that was really bound
	front   atomic.Pointer[front]
	closed  chan struct{}
	pausing atomic.Int64 // how long the loops look away, in nanoseconds; 0: they do not

	// The socket is with Go's poller or with the relay's loops. Both are the server's mutex's.
	socket socket
	fd     int // 0: not with the loops
}

func newListener(s *Server, a netip.AddrPort, socket socket) *listener {
	return &listener{server: s, address: a, bound: addressOf(socket.Addr()), socket: socket, closed: make(chan struct{})}
}

// open lets clients in: by the loops where they go the quick way, else by a goroutine. It is called for each new front.
func (l *listener) open(fresh bool) {
	switch quick := l.front.Load().quick(); {
	case quick && l.fd == 0 && l.lend():
	case !quick && l.fd != 0:
		l.takeBack()
	case fresh:
		l.admit(l.socket)
	}
}

// admit starts the goroutine that accepts.
func (l *listener) admit(on socket) {
	l.socket = on
	l.server.accepting.Go(func() { l.server.accept(l, on) })
}

// lend gives the socket to the loops, and takes it from Go's poller, which would be woken for each client.
func (l *listener) lend() bool {
	fd, err := 0, error(nil)
	raw, _ := l.socket.SyscallConn()
	raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		return false
	}
	l.fd = fd // before the loops know of it: they read it
	if err := l.server.engine.Listen(fd, l); err != nil {
		unix.Close(fd)
		l.fd = 0
		return false
	}
	l.socket.Close()
	return true
}

// takeBack lets a goroutine accept again. What waits in the queue goes on waiting there. Without a descriptor for that the loops go on: they
// hand over each client that is not to go the quick way.
func (l *listener) takeBack() {
	again, err := listenerOf(l.fd)
	if err != nil {
		l.server.Log.Warn("accept", "address", listenAddress(l.address), "why", err.Error())
		return
	}
	l.server.engine.Unlisten(l.fd)
	unix.Close(l.fd)
	l.fd = 0
	l.admit(socket{again, true})
}

// listenerOf is a listening socket with Go's poller, beside the descriptor.
func listenerOf(fd int) (*net.TCPListener, error) {
	second, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	f := os.NewFile(uintptr(second), "")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func (l *listener) close() {
	close(l.closed)
	if l.fd != 0 {
		l.server.engine.Unlisten(l.fd)
		unix.Close(l.fd)
		return
	}
	l.socket.Close()
}

// Stuck is what the loops do where accept pauses.
func (l *listener) Stuck(why error) time.Duration {
	l.server.stuck(l, l.fd, why)
	return l.pause()
}

// Room tells a client that there is none for it, and how long the loops look away then.
func (l *listener) Room(client int) time.Duration {
	if client < l.server.roof() {
		return 0
	}
	l.server.full(l, client)
	unix.Close(client)
	return l.pause()
}

// pause is how long the loops look away this time.
func (l *listener) pause() time.Duration {
	pause := min(max(2*time.Duration(l.pausing.Load()), pauseLeast), pauseMost)
	l.pausing.Store(int64(pause))
	return pause
}

// resumed is called when the loops have let a client in.
func (l *listener) resumed() {
	if l.pausing.Load() != 0 {
		l.pausing.Store(0)
	}
	l.server.reserve.restore()
}

const (
	pauseLeast = 5 * time.Millisecond // less is a busy loop while descriptors are short
	pauseMost  = time.Second          // more leaves clients waiting when there are descriptors again
)

// accept begins a session for each client until the listener is closed.
func (s *Server) accept(l *listener, socket socket) {
	pause := pauseLeast
	for {
		c, err := socket.AcceptTCP()
		switch {
		case err == nil && s.roomFor(l, c):
			pause = pauseLeast
			s.begin(c, l.front.Load())
			s.reserve.restore()
			continue
		case err == nil: // it was told
		case errors.Is(err, net.ErrClosed):
			return
		default:
			if raw, broken := socket.SyscallConn(); broken == nil {
				raw.Control(func(fd uintptr) { s.stuck(l, int(fd), err) })
			}
		}
		select {
		case <-time.After(pause):
		case <-l.closed:
			return
		}
		pause = min(2*pause, pauseMost)
	}
}

// begin starts the session of a client.
func (s *Server) begin(c *net.TCPConn, f *front) {
	s.running.Add(1)
	n := newSession(s, c, f)
	s.live.add(n)
	s.crew.do(n.serve)
}

// over is called once for each begin, when its sockets are closed.
func (s *Server) over(n *session) {
	s.live.remove(n)
	s.running.Done()
}
