package proxy

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// listener is a socket that clients connect to. It stays open across reloads: closing it would reset what waits in its
// queue. What a reload changes is its front.
type listener struct {
	address netip.AddrPort
	socket  *net.TCPListener
	front   atomic.Pointer[front]
	closed  chan struct{}
}

func newListener(a netip.AddrPort, socket *net.TCPListener) *listener {
	return &listener{address: a, socket: socket, closed: make(chan struct{})}
}

func (l *listener) close() {
	close(l.closed)
	l.socket.Close()
}

const (
	pauseLeast = 5 * time.Millisecond // less is a busy loop while descriptors are short
	pauseMost  = time.Second          // more leaves clients waiting when there are descriptors again
)

// accept begins a session for each client until the listener is closed.
func (s *Server) accept(l *listener) {
	pause := pauseLeast
	for {
		c, err := l.socket.AcceptTCP()
		switch {
		case err == nil:
			pause = pauseLeast
			s.begin(c, l.front.Load())
			s.reserve.restore()
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		s.Metrics.pauses.Inc()
		if exhausted(err) {
			s.shed(l, err)
		} else {
			s.Log.Warn("accept", "address", listenAddress(l.address), "why", err.Error())
		}
		select {
		case <-time.After(pause):
		case <-l.closed:
			return
		}
		pause = min(2*pause, pauseMost)
	}
}

// exhausted says whether an error means that this process or machine has no descriptor or memory left.
func exhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// reserve is a descriptor that is given up to tell a client that there are none: it would wait in the queue otherwise.
type reserve struct {
	spent atomic.Bool // file is nil, because somebody else was quicker to take the descriptor

	mu   sync.Mutex // guards the following
	file *os.File
	said time.Time
}

func (r *reserve) take() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open()
}

// open takes a descriptor unless there is one. The caller holds mu.
func (r *reserve) open() {
	if r.file == nil {
		r.file, _ = os.Open(os.DevNull)
	}
	r.spent.Store(r.file == nil)
}

// restore is called when a client was accepted: there may be descriptors again.
func (r *reserve) restore() {
	if r.spent.Load() {
		r.take()
	}
}

func (r *reserve) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

const sayEvery = time.Minute // a log line for each client would be a flood

func (s *Server) shed(l *listener, why error) {
	r := &s.reserve
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.said) > sayEvery {
		r.said = time.Now()
		s.events().Error("no descriptor for new sessions: raise the limit (LimitNOFILE=, ulimit -n)", "event", "no-descriptors",
			"address", listenAddress(l.address), "sessions", s.Sessions(), "why", why.Error())
	}
	if r.open(); r.file == nil {
		return
	}
	r.file.Close()
	r.file = nil
	s.turnAway(l)
	r.open()
}

// turnAway takes one client out of the queue, if there is one, and tells it to come later.
func (s *Server) turnAway(l *listener) {
	raw, err := l.socket.SyscallConn()
	if err != nil {
		return
	}
	f := l.front.Load()
	raw.Control(func(fd uintptr) {
		c, _, err := unix.Accept4(int(fd), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err != nil {
			return
		}
		first := f.services[0]
		if !f.tls {
			unix.Write(c, words(first.Protocol, first.cluster, unavailable))
		}
		unix.Shutdown(c, unix.SHUT_WR)
		unix.Close(c)
		first.metrics.started.Inc()
		first.metrics.ended(endOverload)
	})
}

// begin starts the session of a client.
func (s *Server) begin(c *net.TCPConn, f *front) {
	s.running.Add(1)
	n := newSession(s, c, f)
	s.live.add(n)
	go n.serve()
}

// over is called once for each begin, when its sockets are closed.
func (s *Server) over(n *session) {
	s.live.remove(n)
	s.running.Done()
}
