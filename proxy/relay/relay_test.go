package relay

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	base = base.Add(-time.Hour) // so that there is a past
	goleak.VerifyTestMain(m)
}

const patience = 10 * time.Second

// rig is a relay between a client and a node.
type rig struct {
	t            testing.TB
	client, node *net.TCPConn // the far ends
	session      *Session
	result       chan Result
}

func newRig(t testing.TB, e *Engine, p Pair) *rig {
	t.Helper()
	r := &rig{t: t, result: make(chan Result, 1)}
	r.client, p.Client = pair(t)
	r.node, p.Node = pair(t)
	p.Done = func(result Result) { r.result <- result }
	r.session = e.Start(p)
	t.Cleanup(func() {
		r.client.Close()
		r.node.Close()
		e.Close()
	})
	return r
}

// pair is the two ends of a connection.
func pair(t testing.TB) (far, near *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err = net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	if near, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	far.SetDeadline(time.Now().Add(patience))
	return far, near
}

func (r *rig) expect(want Result) Result {
	r.t.Helper()
	select {
	case got := <-r.result:
		if got != want {
			r.t.Errorf("result = %+v, want %+v", got, want)
		}
		return got
	case <-time.After(patience):
		r.t.Fatalf("the session did not end, want %+v", want)
	}
	return Result{}
}

func say(t testing.TB, c *net.TCPConn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, c *net.TCPConn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); string(got) != want {
		t.Fatalf("heard %q, %v, want %q", got[:n], err, want)
	}
}

func hearEnd(t testing.TB, c *net.TCPConn) {
	t.Helper()
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("heard %q, %v, want the end", rest, err)
	}
}

func hearReset(t testing.TB, c *net.TCPConn) {
	t.Helper()
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("heard %v, want a reset", err)
	}
}

func TestHalfClose(t *testing.T) {
	t.Run("client first", func(t *testing.T) {
		r := newRig(t, new(Engine), Pair{First: []byte("hello\n")})
		hear(t, r.client, "hello\n")
		say(t, r.client, "all I have")
		r.client.CloseWrite()
		hear(t, r.node, "all I have")
		hearEnd(t, r.node)
		say(t, r.node, "and my answer")
		r.node.Close()
		hear(t, r.client, "and my answer")
		hearEnd(t, r.client)
		r.expect(Result{Up: 10, Down: 19, End: ClientLeft})
	})
	t.Run("node first", func(t *testing.T) {
		r := newRig(t, new(Engine), Pair{})
		say(t, r.node, "bye")
		r.node.CloseWrite()
		hear(t, r.client, "bye")
		hearEnd(t, r.client)
		say(t, r.client, "more")
		r.client.Close()
		hear(t, r.node, "more")
		hearEnd(t, r.node)
		r.expect(Result{Up: 4, Down: 3, End: NodeLeft})
	})
}

func TestReset(t *testing.T) {
	t.Run("by the client", func(t *testing.T) {
		r := newRig(t, new(Engine), Pair{})
		r.client.SetLinger(0)
		r.client.Close()
		hearReset(t, r.node)
		r.expect(Result{End: ClientReset})
	})
	t.Run("by the node", func(t *testing.T) {
		r := newRig(t, new(Engine), Pair{})
		r.node.SetLinger(0)
		r.node.Close()
		hearReset(t, r.client)
		r.expect(Result{End: NodeReset})
	})
}

// A node that says goodbye and closes with input unread resets; its words must get through all the same.
func TestWordsBeforeReset(t *testing.T) {
	r := newRig(t, new(Engine), Pair{})
	say(t, r.client, "unread\r\n")
	say(t, r.node, "421 bye\r\n")
	r.node.Close()
	hear(t, r.client, "421 bye\r\n")
	for r.client.SetWriteDeadline(time.Now().Add(patience)); ; { // until the end is noticed
		if _, err := io.WriteString(r.client, "more\r\n"); err != nil {
			break
		}
	}
	<-r.result
}

func TestIdle(t *testing.T) {
	const idle = 200 * time.Millisecond
	r := newRig(t, new(Engine), Pair{Idle: idle})
	began := time.Now()
	for time.Since(began) < 2*idle { // bytes one way keep both alive
		say(t, r.node, "x")
		hear(t, r.client, "x")
		time.Sleep(idle / 20)
	}
	last := time.Now()
	hearEnd(t, r.client)
	hearEnd(t, r.node)
	if silent := time.Since(last); silent < idle*8/10 {
		t.Errorf("ended after %v of silence, want %v", silent, idle)
	}
	if got := <-r.result; got.End != Idle {
		t.Errorf("result = %+v", got)
	}
}

// A peer that reads nothing while the other writes moves no bytes: that is silence too.
func TestStalledReaderIsIdle(t *testing.T) {
	r := newRig(t, new(Engine), Pair{Idle: 300 * time.Millisecond})
	go func() {
		io.Copy(r.node, endless{})
	}()
	if got := <-r.result; got.End != Idle {
		t.Errorf("result = %+v", got)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Bulk goes through pipes and through buffers, both ways at once, and stays the same.
func TestBulk(t *testing.T) {
	e := new(Engine)
	r := newRig(t, e, Pair{})
	content := bytes.Repeat([]byte("0123456789abcdef\n"), 1<<20)
	for _, ends := range [][2]*net.TCPConn{{r.client, r.node}, {r.node, r.client}} {
		go func() {
			ends[0].Write(content)
			ends[0].CloseWrite()
		}()
	}
	sums := make(chan [32]byte, 2)
	for _, c := range []*net.TCPConn{r.client, r.node} {
		go func() {
			h := sha256.New()
			io.Copy(h, c)
			sums <- [32]byte(h.Sum(nil))
		}()
	}
	want := sha256.Sum256(content)
	for range 2 {
		if <-sums != want {
			t.Error("content changed")
		}
	}
	got := <-r.result
	if got.Up != int64(len(content)) || got.Down != int64(len(content)) {
		t.Errorf("result = %+v", got)
	}
	if len(e.pipes.free.free) == 0 {
		t.Error("bulk was not spliced")
	}
}

// Bulk that stops holds no pipe.
func TestPipeGoesBack(t *testing.T) {
	e := new(Engine)
	r := newRig(t, e, Pair{})
	content := make([]byte, 8<<20)
	go r.node.Write(content)
	if _, err := io.ReadFull(r.client, make([]byte, len(content))); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		e.pipes.free.mu.Lock()
		free := len(e.pipes.free.free)
		e.pipes.free.mu.Unlock()
		if free == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d pipes are free, want 1", free)
		}
	}
	say(t, r.node, "and on")
	hear(t, r.client, "and on")
}

func TestFacts(t *testing.T) {
	r := newRig(t, new(Engine), Pair{First: []byte("* OK\r\n")})
	steps := []struct {
		from, to    *net.TCPConn
		text        string
		node, ended bool
		tls         bool
	}{
		{r.client, r.node, "a IDLE\r\n", false, true, false},
		{r.node, r.client, "+ idling\r\n", true, true, false},
		{r.node, r.client, "* 1 EXI", true, false, false},
		{r.client, r.node, "x", false, false, false},
		{r.client, r.node, "\x16\x03\x01 hello", false, false, true},
		{r.node, r.client, "\x16\x03\x03 hello", true, false, true},
	}
	hear(t, r.client, "* OK\r\n")
	for _, step := range steps {
		say(t, step.from, step.text)
		hear(t, step.to, step.text)
		var f Facts
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			f = r.session.Facts()
			if f.Flushed && f.NodeSpokeLast == step.node && f.LineEnded == step.ended && f.TLS == step.tls {
				break
			}
		}
		if !f.Flushed || f.NodeSpokeLast != step.node || f.LineEnded != step.ended || f.TLS != step.tls || f.Silent > time.Second {
			t.Errorf("after %q: %+v", step.text, f)
		}
	}
}

// What waits for a reader is not flushed.
func TestFactsOfStalledReader(t *testing.T) {
	r := newRig(t, new(Engine), Pair{})
	go io.Copy(r.node, endless{})
	for deadline := time.Now().Add(patience); ; {
		f := r.session.Facts()
		if !f.Flushed && f.Silent > 50*time.Millisecond {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("facts = %+v, want them not flushed", f)
		}
	}
	r.session.Close(Cut)
	if got := <-r.result; got.End != Cut {
		t.Errorf("result = %+v", got)
	}
}

func TestClose(t *testing.T) {
	for _, why := range []End{Drained, Cut} {
		r := newRig(t, new(Engine), Pair{})
		say(t, r.node, "x")
		hear(t, r.client, "x")
		r.session.Close(why)
		r.session.Close(Idle) // the first reason stays
		hearEnd(t, r.client)
		hearEnd(t, r.node)
		r.expect(Result{Down: 1, End: why})
	}
}

// A frozen node does not hold the session of a client that left for as long as an idle one may last. What was silent before the
// client closed its side does not count: the node has its time to answer that.
func TestHalfClosedLimit(t *testing.T) {
	const before = halfClosed + time.Minute
	long := stampNow(0) - stamp(before)<<flags
	r := newRig(t, new(Engine), Pair{Idle: time.Hour})
	r.session.up.last.Store(long)
	r.session.down.last.Store(long)
	r.client.CloseWrite()
	hearEnd(t, r.node)
	for deadline := time.Now().Add(patience); r.session.running.Load() != 1; {
		if time.Now().After(deadline) {
			t.Fatal("the client's direction did not end")
		}
	}
	r.session.watch() // what the timer calls
	say(t, r.node, "a late answer")
	hear(t, r.client, "a late answer")

	for !r.session.Facts().Flushed { // the direction does not touch its stamp after that
	}
	r.session.down.last.Store(long)
	r.session.half.Store(long)
	r.session.watch()
	hearEnd(t, r.client)
	r.expect(Result{Down: 13, End: ClientLeft})
}

// Thousands of sessions that come and go leave no descriptor behind.
func TestDescriptors(t *testing.T) {
	e := new(Engine)
	before := descriptors(t)
	for range 200 {
		r := newRig(t, e, Pair{})
		say(t, r.client, "x")
		hear(t, r.node, "x")
		r.client.Close()
		hearEnd(t, r.node)
		r.node.Close()
		<-r.result
	}
	if after := descriptors(t); after > before+5 {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(entries)
}
