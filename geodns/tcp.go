package geodns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of TCP (RFC 7766, 6.2). Who comes over one is closed at once; UDP goes on.
const (
	maxTCP       = 1000                   // connections: each holds two buffers
	maxTCPClient = 50                     // of one client network (an IPv4 address, an IPv6 /56)
	idleTCP      = 10 * time.Second       // from the last answer to the end of the next question: a slow one is cut as well
	writeTCP     = 5 * time.Second        // until a client takes its answers
	acceptPause  = 100 * time.Millisecond // after an error of accept: without a descriptor it would be a busy loop
)

// readTCP is the buffer of a connection: two questions of the largest size fit, and many small ones in one read.
const readTCP = 2 * (2 + maxAskedTCP)

// maxAskedTCP is the largest question by TCP. One that is larger ends the connection: no question that we answer is.
const maxAskedTCP = 4096

// bindTCP listens without SO_REUSEPORT: a second process on the address is refused here, whatever UDP would allow.
func bindTCP(a netip.AddrPort) (*net.TCPListener, error) {
	network := "tcp"
	switch {
	case a.Addr().Is4():
		network = "tcp4"
	case a.Addr().Is6() && !a.Addr().IsUnspecified():
		network = "tcp6"
	}
	address := a.String()
	if !a.Addr().IsValid() {
		address = fmt.Sprintf(":%d", a.Port())
	}
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// tcpClients are the connections that live.
type tcpClients struct {
	mu     sync.Mutex // guards the following
	conns  map[net.Conn]netip.Addr
	counts map[netip.Addr]int
	closed bool
}

// enter says whether a connection may stay.
func (t *tcpClients) enter(c net.Conn, client netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.conns) >= maxTCP || t.counts[client] >= maxTCPClient {
		return false
	}
	if t.conns == nil {
		t.conns, t.counts = make(map[net.Conn]netip.Addr), make(map[netip.Addr]int)
	}
	t.conns[c] = client
	t.counts[client]++
	return true
}

func (t *tcpClients) leave(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	client := t.conns[c]
	delete(t.conns, c)
	if t.counts[client]--; t.counts[client] == 0 {
		delete(t.counts, client)
	}
}

// closeAll ends every connection, and those that still come.
func (t *tcpClients) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.conns {
		c.Close()
	}
}

// accept takes connections in until the listener is closed.
func (s *Server) accept(l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.Log.Warn("dns: accept", "address", l.Addr().String(), "why", err.Error())
			time.Sleep(acceptPause)
			continue
		}
		s.running.Go(func() { s.converse(c) })
	}
}

// converse answers the questions of one connection. Those that have arrived together are answered together, in their order: the
// next ones are not read before, so what is in flight is bounded by the buffer.
func (s *Server) converse(c *net.TCPConn) {
	defer c.Close()
	client := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	if !s.clients.enter(c, tcpClient(client)) {
		s.Metrics.refused.Inc()
		return
	}
	s.Metrics.conns.Inc()
	defer s.Metrics.conns.Dec()
	defer s.clients.leave(c)
	t := s.talk()
	t.conn, t.client, t.have = c, client.WithZone(""), 0
	for t.turn() == nil {
	}
	t.conn = nil
	s.talks.Put(t)
}

// talk is one whose buffers another connection may have had: most connections ask one question, and these would be most of its cost.
func (s *Server) talk() *tcpTalk {
	if t, ok := s.talks.Get().(*tcpTalk); ok {
		return t
	}
	return &tcpTalk{worker: s.newWorker(Workers()), in: make([]byte, readTCP)}
}

// tcpClient is what counts as one client of TCP, whose address cannot be forged.
func tcpClient(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, _ := a.WithZone("").Prefix(56)
	return p.Addr()
}

// tcpTalk is a connection with what was read of it.
type tcpTalk struct {
	worker *worker
	conn   *net.TCPConn
	client netip.Addr
	in     []byte
	have   int // bytes of in
	out    []byte
}

var errTooLong = errors.New("a question larger than any that we answer")

// turn reads until there is a whole question, and answers all that are whole.
func (t *tcpTalk) turn() error {
	t.conn.SetReadDeadline(time.Now().Add(idleTCP))
	for !t.whole() {
		if t.have >= 2 && t.length() > maxAskedTCP {
			return errTooLong
		}
		n, err := t.conn.Read(t.in[t.have:])
		if err != nil {
			return err
		}
		t.have += n
	}
	used := t.answer()
	t.have = copy(t.in, t.in[used:t.have])
	if len(t.out) == 0 {
		return io.EOF // nothing but what is no question
	}
	t.conn.SetWriteDeadline(time.Now().Add(writeTCP))
	_, err := t.conn.Write(t.out)
	return err
}

func (t *tcpTalk) length() int { return int(binary.BigEndian.Uint16(t.in)) }
func (t *tcpTalk) whole() bool { return t.have >= 2 && t.have >= 2+t.length() }

// answer makes the answers to all whole questions, and returns how many bytes these had.
func (t *tcpTalk) answer() (used int) {
	t.worker.begin()
	t.out = t.out[:0]
	for rest := t.in[:t.have]; len(rest) >= 2; rest = t.in[used:t.have] {
		n := int(binary.BigEndian.Uint16(rest))
		if len(rest) < 2+n {
			break
		}
		start := len(t.out)
		t.out = t.worker.answerTCP(rest[2:2+n], t.client, append(slices.Grow(t.out, 2+udpSize), 0, 0))
		if n := len(t.out) - start - 2; n > 0 {
			binary.BigEndian.PutUint16(t.out[start:], uint16(n))
		} else {
			t.out = t.out[:start]
		}
		used += 2 + n
	}
	t.worker.end()
	return used
}

// bindError says what to do about an address that cannot be bound.
func bindError(a netip.AddrPort, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, unix.EACCES):
		remedy = ": ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a lower sysctl net.ipv4.ip_unprivileged_port_start"
	case errors.Is(err, unix.EADDRINUSE):
		remedy = fmt.Sprintf(": another name server listens there; `ss -lntup sport = :%d` names its process", a.Port())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = ": no interface has this address"
	}
	return fmt.Errorf("dns: listen on %s: %w%s", a, err, remedy)
}
