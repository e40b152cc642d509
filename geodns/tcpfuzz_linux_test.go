package geodns

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

// FuzzTCP sends whatever bytes, in pieces of one size.
func FuzzTCP(f *testing.F) {
	l, _ := halted(f)
	var all []byte
	for _, a := range resolverQuestions {
		all = append(all, framed(a.pack(f))...)
	}
	response := framed([]byte{0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(all, uint16(7))
	f.Add(all[:len(all)-3], uint16(1000))
	f.Add(append(response, all...), uint16(50))
	f.Add(append(all[:len(all):len(all)], response...), uint16(2000))
	f.Add([]byte("\x00\x00\x00\x00"), uint16(1))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(5))
	f.Fuzz(func(t *testing.T, bytes []byte, size uint16) {
		s, began := stream{bytes, func(left int) int { return min(left, 1+int(size)) }}, time.Now()
		s.check(t, l.server, began, l.converse(t, s))
		if l.counts.all != 0 || len(l.idle.all()) != 0 || len(l.stalled.all()) != 0 || len(l.free) != len(l.conns) {
			t.Errorf("%d connections are left", l.counts.all)
		}
	})
}

// converse takes a stream in over a socket, step by step, and returns all messages that come back.
func (l *tcpLoop) converse(t testing.TB, s stream) [][]byte {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	client, room := ends[1], make([]byte, 1<<16)
	defer unix.Close(client)
	l.now = time.Now()
	l.enter(ends[0], netip.MustParseAddr("127.0.0.1"))
	var back []byte
	for left, closed := s.bytes, false; ; {
		l.rest()
		n, errno := bare.Receive(client, room)
		back = append(back, room[:n]...)
		switch {
		case errno == unix.EAGAIN && len(left) > 0:
			sent, errno := bare.Send(client, left[:s.cuts(len(left))])
			if left = left[sent:]; errno != 0 {
				left = nil // the server has closed
			}
		case errno == unix.EAGAIN && !closed:
			unix.Shutdown(client, unix.SHUT_WR)
			closed = true
		case errno == unix.EAGAIN:
			t.Fatalf("no end after %d bytes", len(back))
		case errno != 0 || n == 0:
			return messages(t, back)
		}
	}
}

// rest takes steps until there is nothing more to do.
func (l *tcpLoop) rest() {
	for again := true; again; again = len(l.queue)+len(l.questions) > 0 {
		l.set.Ring() // the step does not wait
		l.step()
		for range len(l.questions) {
			l.reply()
		}
	}
}

// all is the connections of a list.
func (a *ages) all() (list []*tcpConn) {
	for c := a.first; c != nil; c = c.next {
		list = append(list, c)
	}
	return list
}
