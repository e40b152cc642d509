package proxy

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// What happens when there are too few descriptors. The kernel gives each new one the lowest free number, so the number of a client's tells how
// many are in use: above the roof are those that probes, names, the admin API and a reload can count on. A client that gets one of these
// is told to come later, and accepting pauses.

const (
	keptLeast = 64   // connections of probes that are open at a time, and what the process itself has open
	keptMost  = 1024 // more is never in use besides sessions
	keptShare = 16   // part of the limit, between these
)

// roofOf is the lowest number that no client may have, where so many descriptors are allowed.
func roofOf(limit uint64) int {
	kept := min(max(limit/keptShare, keptLeast), keptMost)
	if limit < 4*keptLeast { // a process that is not meant to hold sessions: half for each
		kept = limit / 2
	}
	return int(min(limit, 1<<30) - kept)
}

// roof is that number for this process. Go has raised the limit to what is allowed when the process began.
func (s *Server) roof() int { return int(s.descriptors.Load()) }

// lookAtLimit notes the roof.
func (s *Server) lookAtLimit() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = 1 << 30 // accept itself will tell
	}
	s.descriptors.Store(int64(roofOf(uint64(limit.Cur))))
}

var errKept = errors.New("those that are left are kept for probes, names and the admin API")

// full tells a client under whose descriptor there is no room for a session. The caller closes it.
func (s *Server) full(l *listener, client int) {
	s.Metrics.pauses.Inc()
	s.reserve.mu.Lock()
	s.sayNoDescriptor(l, errKept)
	s.reserve.mu.Unlock()
	l.front.Load().overloaded(client)
}

// roomFor is false for a client that was told, and closed, because of its descriptor.
func (s *Server) roomFor(l *listener, c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	room := true
	raw.Control(func(fd uintptr) {
		if room = int(fd) < s.roof(); !room {
			s.full(l, int(fd))
		}
	})
	if !room {
		c.Close()
	}
	return room
}

// stuck counts a client that could not be accepted, and tells one of them if it was for want of a descriptor.
func (s *Server) stuck(l *listener, fd int, why error) {
	s.Metrics.pauses.Inc()
	if exhausted(why) {
		s.shed(l, fd, why)
	} else {
		s.crew.do(func() { s.Log.Warn("accept", "address", listenAddress(l.address), "why", why.Error()) })
	}
}

// exhausted says whether an error means that this process or machine has no descriptor or memory left.
func exhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// reserve is a descriptor that is given up to tell a client that there are none: it would wait in the queue otherwise.
type reserve struct {
	spent atomic.Bool   // file is nil, because somebody else was quicker to take the descriptor
	sheds atomic.Uint32 // that are over

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

// sayNoDescriptor tells the operator, now and then. A loop of the relay, whose sessions must not wait for a log that is slow, has others say
// it. The caller holds the reserve's mu.
func (s *Server) sayNoDescriptor(l *listener, why error) {
	if r := &s.reserve; time.Since(r.said) > sayEvery {
		r.said = time.Now()
		s.crew.do(func() {
			s.events().Error("no descriptor for new sessions: raise the limit (LimitNOFILE=, ulimit -n)", "event", "no-descriptors",
				"address", listenAddress(l.address), "sessions", s.Sessions(), "why", why.Error())
		})
	}
}

// shed tells a client that there is no descriptor. Who had to wait here for another thread has nothing to do: that one has told the client for
// which both were woken, and the next one may find descriptors.
func (s *Server) shed(l *listener, fd int, why error) {
	r := &s.reserve
	before := r.sheds.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sheds.Load() != before {
		return
	}
	defer r.sheds.Add(1)
	s.sayNoDescriptor(l, why)
	if r.open(); r.file == nil {
		return
	}
	r.file.Close()
	r.file = nil
	s.turnAway(l, fd)
	r.open()
}

// turnAway takes one client out of the queue, if there is one, and tells it to come later.
func (s *Server) turnAway(l *listener, fd int) {
	f := l.front.Load()
	c, err := acceptBare(fd)
	if err != nil {
		return
	}
	f.overloaded(c)
	unix.Close(c)
}

// overloaded counts a client on a bare descriptor and tells it to come later: whoever was told is counted.
func (f *front) overloaded(fd int) {
	first := f.services[0]
	first.metrics.started.Inc()
	first.metrics.ended(endOverload)
	sayBare(fd, f)
}

// partBare is for a client that has a session already.
func partBare(fd int, f *front) {
	sayBare(fd, f)
	unix.Close(fd)
}

func sayBare(fd int, f *front) {
	if first := f.services[0]; !f.tls {
		unix.Write(fd, words(first.Protocol, first.topology.Cluster, unavailable))
	}
	unix.Shutdown(fd, unix.SHUT_WR)
}
