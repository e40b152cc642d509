package geodns

import (
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

// halted is a loop with a listener, whose steps the test takes. Nobody answers the slow questions but the test.
func halted(t testing.TB) (l *tcpLoop, address string) {
	t.Helper()
	s := standing(t, newData(t, testTopology)).server
	s.Log = slog.New(slog.DiscardHandler)
	l, err := newTCPLoop(s)
	if err != nil {
		t.Fatal(err)
	}
	address = "127.0.0.1:" + freePort(t)
	listener, err := bindTCP(netip.MustParseAddrPort(address))
	if err != nil {
		t.Fatal(err)
	}
	l.watchListener(listener)
	t.Cleanup(func() {
		l.dropAll()
		listener.close()
		l.set.Close()
	})
	return l, address
}

// until takes steps until something is so.
func (l *tcpLoop) stepUntil(t testing.TB, so string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", so)
		}
		l.step()
	}
}

// reply answers the slow question that has waited for the longest time.
func (l *tcpLoop) reply() {
	q := <-l.questions
	l.post(tcpLetter{conn: q.conn, answer: q.answer(l.server.newWorker(0))})
	l.step()
}

func readID(t testing.TB, c net.Conn) int {
	t.Helper()
	return int(binary.BigEndian.Uint16(readFramed(t, c)))
}

// TestTCPAnswersOutOfOrder has a fast answer pass slow ones, and one slow question too many hold up what comes after it.
func TestTCPAnswersOutOfOrder(t *testing.T) {
	l, address := halted(t)
	c := dialTCP(t, address)
	c.Write(questionsTo(t, slowName, fastName, slowName, slowName, slowName, slowName, fastName))
	l.stepUntil(t, "as many slow questions as may be", func() bool { return len(l.questions) == slowTCP })
	order := []int{readID(t, c)}
	l.reply() // makes room for the last slow one, and so for the fast one behind it
	order = append(order, readID(t, c), readID(t, c))
	for range slowTCP {
		l.reply()
		order = append(order, readID(t, c))
	}
	if want := []int{1, 0, 6, 2, 3, 4, 5}; !slices.Equal(order, want) {
		t.Errorf("answers in the order %v, want %v", order, want)
	}
	if l.conns[0].held != nil || l.conns[0].unsent != nil {
		t.Error("a connection without bytes that wait holds a buffer")
	}
}

// stalled is a connection whose client has asked more than its socket takes answers to, and how many questions these are.
func stalled(t *testing.T, l *tcpLoop, address string) (*tcpConn, net.Conn, int) {
	t.Helper()
	client := dialTCP(t, address)
	client.(*net.TCPConn).SetReadBuffer(64 << 10) // with less there is no window for a whole segment, and the kernel waits
	client.Write(questionsTo(t, fastName))
	l.stepUntil(t, "a connection", func() bool { return l.counts.all == 1 })
	readFramed(t, client)
	c := l.conns[0]
	unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10)
	const questions = 20000
	go client.Write(questionsTo(t, slices.Repeat([]string{fastName}, questions)...))
	l.stepUntil(t, "a client that takes nothing", func() bool { return len(c.unsent) > 0 })
	return c, client, questions
}

// TestTCPStalls has a client that takes its answers late: it gets them all, and until then there are never more of them than there may be.
func TestTCPStalls(t *testing.T) {
	l, address := halted(t)
	c, client, questions := stalled(t, l, address)
	seen := 0
	var reading sync.WaitGroup
	reading.Go(func() {
		for ; seen < questions && readID(t, client) == seen; seen++ {
		}
		client.Close()
	})
	l.stepUntil(t, "all answers taken", func() bool {
		if len(c.unsent) > roomTCP || cap(c.held) > readTCP {
			t.Errorf("%d bytes of answers and %d of questions wait", len(c.unsent), cap(c.held))
		}
		return c.fd == none
	})
	reading.Wait()
	if seen != questions {
		t.Errorf("%d of %d answers in their order", seen, questions)
	}
}

// TestTCPDropsTheStalled has a client that does not take its answers.
func TestTCPDropsTheStalled(t *testing.T) {
	l, address := halted(t)
	c, _, _ := stalled(t, l, address)
	began := c.since
	l.now = began.Add(writeTCP - 1)
	if l.expire(); c.fd == none {
		t.Error("dropped too early")
	}
	l.now = began.Add(writeTCP)
	if l.expire(); c.fd != none || l.counts.all != 0 || len(l.answers.spare) != 1 {
		t.Errorf("not dropped: %d connections, %d buffers given back", l.counts.all, len(l.answers.spare))
	}
}

// TestTCPDropsTheIdle counts from the last answer: what has not come in whole is no question.
func TestTCPDropsTheIdle(t *testing.T) {
	l, address := halted(t)
	client := dialTCP(t, address)
	client.Write(questionsTo(t, fastName))
	l.stepUntil(t, "an answer", func() bool { return l.counts.all == 1 })
	c := l.conns[0]
	began := c.since
	client.Write(questionsTo(t, slowName)[:20])
	l.stepUntil(t, "a part of a question", func() bool { return len(c.held) > 0 })
	client.Write(questionsTo(t, slowName)[20:])
	l.stepUntil(t, "a question that is answered elsewhere", func() bool { return len(l.questions) == 1 })
	if l.timeout() > int(idleTCP.Milliseconds())+1 {
		t.Errorf("nothing is due for %d ms", l.timeout())
	}
	l.now = began.Add(idleTCP)
	if l.expire(); c.fd == none {
		t.Fatal("dropped while it waits for us")
	}
	l.reply()
	l.now = c.since.Add(idleTCP)
	if l.expire(); c.fd != none || l.counts.all != 0 {
		t.Error("an idle connection stays")
	}
	if l.timeout() >= 0 {
		t.Errorf("without connections something is due in %d ms", l.timeout())
	}
}

// TestTCPLeavesWithQuestions has a client go whose answer is still made: its place is free after that, so that these are never more than
// the queue has room for.
func TestTCPLeavesWithQuestions(t *testing.T) {
	l, address := halted(t)
	client := dialTCP(t, address)
	client.Write(questionsTo(t, slowName))
	l.stepUntil(t, "a slow question", func() bool { return len(l.questions) == 1 })
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	l.stepUntil(t, "an end", func() bool { return l.conns[0].fd == none })
	if l.counts.all != 1 || len(l.free) != 0 {
		t.Errorf("%d connections, %d free places", l.counts.all, len(l.free))
	}
	l.reply()
	if l.counts.all != 0 || len(l.free) != 1 {
		t.Errorf("%d connections, %d free places after the answer", l.counts.all, len(l.free))
	}
}

// TestTCPPauses has accept fail, as it does without a free descriptor.
func TestTCPPauses(t *testing.T) {
	l, address := halted(t)
	l.now = time.Now()
	l.pause(l.listeners[0], unix.EMFILE)
	client := dialTCP(t, address)
	client.Write(questionsTo(t, fastName))
	if n := l.set.Now(l.events[:]); n != 0 {
		t.Error("somebody at the door is seen during a pause")
	}
	l.stepUntil(t, "a client after the pause", func() bool { return l.counts.all == 1 })
	readFramed(t, client)
}

// TestTCPAllocatesNothing has a connection come, ask and go.
func TestTCPAllocatesNothing(t *testing.T) {
	l, address := halted(t)
	to := netip.MustParseAddrPort(address)
	server := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	question, answer := questionsTo(t, fastName), make([]byte, udpSize)
	linger := &unix.Linger{Onoff: 1}
	once := func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, server)
		}
		if err != nil {
			t.Fatal(err)
		}
		bare.Send(fd, question)
		for l.counts.all == 0 {
			l.step()
		}
		if n, errno := bare.Receive(fd, answer); n < headerSize {
			t.Fatalf("%d bytes, %v", n, errno)
		}
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, linger)
		unix.Close(fd)
		for l.counts.all == 1 {
			l.step()
		}
	}
	once()
	if n := testing.AllocsPerRun(100, once); n > 0 {
		t.Errorf("%v allocations a connection", n)
	}
	if len(l.conns) != 1 {
		t.Errorf("%d places for one connection after the other", len(l.conns))
	}
	if size := unsafe.Sizeof(tcpConn{}); size > 160 {
		t.Errorf("a connection takes %d bytes", size)
	}
}

// TestAges compares two lists with slices.
func TestAges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var lists [2]ages
	var want [2][]*tcpConn
	conns := make([]*tcpConn, 20)
	for i := range conns {
		conns[i] = new(tcpConn)
	}
	now := time.Now()
	for range 10000 {
		c, to := conns[random.IntN(len(conns))], random.IntN(3)
		for i := range want {
			want[i] = slices.DeleteFunc(want[i], func(o *tcpConn) bool { return o == c })
		}
		now = now.Add(time.Millisecond)
		switch {
		case to < 2:
			lists[to].move(c, now)
			want[to] = append(want[to], c)
		case c.in != nil:
			c.in.remove(c)
		}
		for i := range lists {
			have := lists[i].all()
			if !slices.Equal(have, want[i]) || len(have) > 0 && lists[i].last != have[len(have)-1] {
				t.Fatalf("list %d has %d connections, want %d in their order", i, len(have), len(want[i]))
			}
			if at, any := lists[i].due(time.Second); any != (len(have) > 0) || any && at != have[0].since.Add(time.Second) {
				t.Fatalf("due at %v, %v", at, any)
			}
		}
	}
}
