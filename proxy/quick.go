package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/proxy/relay"
	"posthouse/routing"
	"posthouse/wire"
)

// The quick way: where a session needs no words from us before its node has it, the relay's loops take the client in, call the first
// candidate and listen for its greeting, without a goroutine. session.go and walk.go say what happens in a session, and do it whenever
// something is not as usual: then the call is given back, and the walk goes on where it stands.

// quick says whether the clients of a front go the quick way.
func (f *front) quick() bool {
	first := f.services[0]
	return f.sole() != nil && !f.tls && !f.redirect && f.trusted.empty() && first.node == nil && !readsHTTP(first.Service)
}

// Enter takes a client in on a loop of the relay.
func (l *listener) Enter(client int, from netip.AddrPort, now time.Time) *relay.Call {
	s, f := l.server, l.front.Load()
	l.resumed()
	s.running.Add(1)
	n := newcomer(s, f, plain(from), l.reached(client), now)
	s.live.add(n)
	if !f.quick() { // a reload came between
		go n.goOn(client, underway)
		return nil
	}
	why := n.allowed()
	if why == underway {
		why = n.admit()
	}
	if why == underway {
		if q := n.call(); q != nil {
			return &q.Call
		}
	}
	go n.goOn(client, why)
	return nil
}

// reached is the address that a client came to.
func (l *listener) reached(client int) netip.AddrPort {
	if l.bound.Addr().IsValid() && !l.bound.Addr().IsUnspecified() {
		return l.bound
	}
	at, _ := unix.Getsockname(client)
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	case *unix.SockaddrInet6:
		return plain(netip.AddrPortFrom(netip.AddrFrom16(at.Addr), uint16(at.Port)))
	}
	return netip.AddrPort{}
}

// goOn serves a client in a goroutine of its own, as one that was accepted there. why is its end if it has one.
func (s *session) goOn(client int, why end) {
	c, err := adopt(client)
	if err != nil {
		s.abandon(client)
		return
	}
	s.client = c
	if why != underway {
		s.makeAudible(why)
		s.turnAway(why)
		return
	}
	s.serve()
}

// abandon ends a session for which there is no descriptor.
func (s *session) abandon(client int) {
	partBare(client, s.front)
	s.count()
	s.log(endOverload, 0, 0)
	s.finish()
}

// adopt makes a connection of a descriptor, which is closed unless there is an error.
func adopt(fd int) (*net.TCPConn, error) {
	second, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(second), "")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	tcp := c.(*net.TCPConn)
	tcp.SetKeepAliveConfig(keepAlive)
	return tcp, nil
}

// quickCall is the first attempt of a session, while a loop makes it.
type quickCall struct {
	relay.Call
	session    *session
	candidates routing.Candidates
	backend    *routing.Backend // has counted the session in
	judge      func([]byte) wire.Verdict
	began      time.Time
	progress   relay.Progress // when it was given back
}

// quickCalls are those that are over because all went as usual.
var quickCalls = sync.Pool{New: func() any { return new(quickCall) }}

// call chooses the first candidate; nil if there is none for a call.
func (s *session) call() *quickCall {
	q := quickCalls.Get().(*quickCall)
	q.session, q.judge, q.began = s, anyByte, s.mark
	q.candidates = s.table().Route(routing.Request{Service: s.service.Name, Client: s.source.Addr()})
	for q.backend == nil {
		b := q.candidates.Next()
		if b == nil {
			return nil
		}
		if b.Begin() {
			q.backend = b
		}
	}
	b := q.backend
	if s.another(b.Service) || len(b.Addrs) == 0 {
		b.End()
		return nil
	}
	q.Call = relay.Call{
		Caller: q, Node: b.Addrs[0], Source: s.server.dialer.source(b.Service, b.Addrs[0]), Opening: s.opening(s.approach, b),
		Greets: s.commitMode() == commitOnGreeting, Patience: lookFirst,
	}
	if q.Greets {
		q.judge = greetingOf(s.service.Protocol)
		if hedge := b.Hedge(); hedge > 0 {
			q.Patience = min(q.Patience, hedge)
		}
	}
	return q
}

// Judge says what the node's first words are to the loop.
func (q *quickCall) Judge(said []byte) relay.Verdict {
	switch q.judge(said) {
	case wire.Welcome:
		return relay.Welcome
	case wire.Incomplete:
		return relay.Incomplete
	}
	return relay.Unusual
}

// Settled is hand and what comes before it.
func (q *quickCall) Settled(relayed relay.Session, p relay.Progress) relay.Terms {
	s, m := q.session, q.session.service.metrics
	m.connect.Observe(p.ToConnect.Seconds())
	m.greeting.Observe(p.ToGreet.Seconds())
	s.took = steps{microsOf(p.ToConnect), microsOf(p.ToGreet), microsOf(p.ToConnect + p.ToGreet)}
	s.attempts, s.backend, s.address = 1, q.backend, &q.backend.Addrs[0]
	s.goDirect()
	s.follow(relayed)
	s.killIfDenied()
	*q = quickCall{}
	quickCalls.Put(q)
	return relay.Terms{Idle: s.backend.Service.Timeouts.Idle, Owner: s}
}

// Back lets a walk go on.
func (q *quickCall) Back(p relay.Progress) {
	q.progress = p
	q.session.begun = q
	go q.resume()
}

func (q *quickCall) resume() {
	c, err := adopt(q.progress.Client)
	if err != nil {
		if q.progress.Node != 0 {
			unix.Close(q.progress.Node)
		}
		q.backend.End()
		q.session.abandon(q.progress.Client)
		return
	}
	q.session.client, q.session.early = c, q.progress.Early
	q.session.through((*session).route) // what comes before that was done: who were turned away by it now would leave a node behind
}

// takeOver goes on with a call that was given back. It is false if the attempt is over; a node that did not accept is dialled again,
// as it may have other addresses.
func (a *attempt) takeOver(ctx context.Context, q *quickCall) bool {
	p := &q.progress
	if p.Node == 0 {
		return a.dial(ctx, a.backend.Addrs) && a.introduce()
	}
	conn, err := adopt(p.Node)
	if err != nil {
		unix.Close(p.Node)
		a.fail(own, "no-descriptor")
		return false
	}
	a.address, a.first, a.outcome = q.Node, p.Said, greeted
	if !p.Connected {
		if err := a.awaitConnected(ctx, conn); err != nil {
			conn.Close()
			a.fail(judgeDial(err))
			return a.dial(ctx, a.backend.Addrs[1:]) && a.introduce()
		}
		p.ToConnect = time.Since(q.began)
	}
	a.conn, a.connected = conn, p.ToConnect
	if p.Err != nil {
		a.fail(judgeRead(p.Err))
		return false
	}
	if !p.Introduced {
		return a.introduce()
	}
	a.limit()
	return true
}

// awaitConnected waits for a connection that was begun elsewhere.
func (a *attempt) awaitConnected(ctx context.Context, c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	until := a.began.Add(a.backend.Service.Timeouts.Connect)
	if until.After(a.until) {
		until = a.until
	}
	c.SetWriteDeadline(until)
	defer context.AfterFunc(ctx, func() { c.SetWriteDeadline(past) })()
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		ask := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, _ := unix.Poll(ask, 0); n == 0 {
			return false
		}
		if errno, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); errno != 0 {
			failed = unix.Errno(errno)
		}
		return true
	})
	return errors.Join(err, failed)
}
