//go:build !linux

package geodns

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Threads is how many threads the Server takes for itself.
func Threads() int { return Workers() }

// tcpListener is a listening socket.
type tcpListener struct{ *net.TCPListener }

func bindTCP(a netip.AddrPort) (*tcpListener, error) {
	l, err := listenTCP(a)
	return &tcpListener{l}, err
}

// close closes what was never served.
func (l *tcpListener) close() { l.Close() }

// tcpSide is the plain form for systems without epoll: a goroutine for each connection, which answers in the order of the questions.
type tcpSide struct {
	talks sync.Pool // *tcpTalk

	mu     sync.Mutex // guards the following
	counts tcpCounts
	conns  map[net.Conn]struct{}
	ended  bool
}

// serve takes connections in until the listener is closed.
func (t *tcpSide) serve(s *Server, l *tcpListener, _ <-chan struct{}) {
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
		s.running.Go(func() { t.converse(s, c) })
	}
}

// unserve closes a listener. The connections stay.
func (t *tcpSide) unserve(l *tcpListener) { l.Close() }

// end lets every connection end when what was read is answered, and those that still come.
func (t *tcpSide) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	for c := range t.conns {
		c.SetReadDeadline(time.Unix(1, 0))
	}
}

// enter says whether a connection may stay.
func (t *tcpSide) enter(c net.Conn, client netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || !t.counts.enter(client) {
		return false
	}
	if t.conns == nil {
		t.conns = make(map[net.Conn]struct{})
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *tcpSide) leave(c net.Conn, client netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
	t.counts.leave(client)
}

// converse answers the questions of one connection. Those that have arrived together are answered together: the next ones are not read
// before, so what is in flight is bounded by the buffer.
func (t *tcpSide) converse(s *Server, c *net.TCPConn) {
	defer c.Close()
	client := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	if !t.enter(c, tcpClient(client)) {
		s.Metrics.refused.Inc()
		return
	}
	s.Metrics.conns.Inc()
	defer s.Metrics.conns.Dec()
	defer t.leave(c, tcpClient(client))
	talk := t.talk(s)
	talk.conn, talk.client, talk.have = c, client.WithZone(""), 0
	for talk.turn() == nil {
	}
	talk.conn = nil
	t.talks.Put(talk)
}

// talk is one whose buffers another connection may have had: most connections ask one question, and these would be most of its cost.
func (t *tcpSide) talk(s *Server) *tcpTalk {
	if talk, ok := t.talks.Get().(*tcpTalk); ok {
		return talk
	}
	return &tcpTalk{side: t, worker: s.newWorker(Workers()), in: make([]byte, readTCP)}
}

// tcpTalk is a connection with what was read of it.
type tcpTalk struct {
	side   *tcpSide
	worker *worker
	conn   *net.TCPConn
	client netip.Addr
	in     []byte
	have   int // bytes of in
	out    []byte
}

// turn reads until there is a whole question, and answers all that are whole.
func (t *tcpTalk) turn() error {
	if err := t.patience(); err != nil {
		return err
	}
	for {
		_, size, err := firstQuestion(t.in[:t.have])
		if err != nil {
			return err
		}
		if size > 0 {
			break
		}
		n, err := t.conn.Read(t.in[t.have:])
		if err != nil {
			return err
		}
		t.have += n
	}
	used, all := t.answer()
	t.have = copy(t.in, t.in[used:t.have])
	t.conn.SetWriteDeadline(time.Now().Add(writeTCP))
	if _, err := t.conn.Write(t.out); err != nil {
		return err
	}
	if !all {
		return io.EOF
	}
	return nil
}

// patience sets until when the next question must have come.
func (t *tcpTalk) patience() error {
	t.side.mu.Lock()
	defer t.side.mu.Unlock()
	if t.side.ended {
		return net.ErrClosed
	}
	return t.conn.SetReadDeadline(time.Now().Add(idleTCP))
}

// answer makes the answers to all whole questions, and returns how many bytes these had. all is false if one has no answer: it is no
// question, and ends the connection.
func (t *tcpTalk) answer() (used int, all bool) {
	t.worker.begin()
	defer t.worker.end()
	t.out = t.out[:0]
	for {
		question, size, err := firstQuestion(t.in[used:t.have])
		if size == 0 || err != nil {
			return used, true // the next turn says it
		}
		start := len(t.out)
		t.out = t.worker.answerTCP(question, t.client, append(slices.Grow(t.out, 2+udpSize), 0, 0))
		n := len(t.out) - start - 2
		if n == 0 {
			t.worker.metrics.unanswered.Inc()
			t.out = t.out[:start]
			return used, false
		}
		binary.BigEndian.PutUint16(t.out[start:], uint16(n))
		used += size
	}
}

// answerTCP appends the answer to a packet to out.
func (w *worker) answerTCP(packet []byte, from netip.Addr, out []byte) []byte {
	free := out[len(out):cap(out)]
	if n := w.fast(packet, from, false, free); n >= 0 {
		return out[:len(out)+n]
	}
	return w.slow(packet, from, false, out)
}
