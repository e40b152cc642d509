package relay

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
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

// form is a way to relay. The engine's and the plain one behave alike.
type form interface {
	Start(Pair) Session
	Close()
}

type plainForm struct{ pipes pipes }

func (f *plainForm) Start(p Pair) Session { return startPlain(&f.pipes, p) }

func (f *plainForm) Close() { f.pipes.close() }

// both runs a test with each form.
func both(t *testing.T, test func(t *testing.T, f form)) {
	t.Run("engine", func(t *testing.T) { test(t, new(Engine)) })
	t.Run("plain", func(t *testing.T) { test(t, new(plainForm)) })
}

// ending is an Owner that is a func.
type ending func(Result)

func (e ending) Ended(r Result) { e(r) }

// rig is a relay between a client and a node.
type rig struct {
	t            testing.TB
	client, node *net.TCPConn // the far ends
	session      Session
	result       chan Result
}

func newRig(t testing.TB, e form, p Pair) *rig {
	t.Helper()
	r := &rig{t: t, result: make(chan Result, 1)}
	r.client, p.Client = connection(t)
	r.node, p.Node = connection(t)
	p.Owner = ending(func(result Result) { r.result <- result })
	r.session = e.Start(p)
	t.Cleanup(func() {
		r.client.Close()
		r.node.Close()
		e.Close()
	})
	return r
}

// connection is the two ends of a connection.
func connection(t testing.TB) (far, near *net.TCPConn) {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return connectionBy(t, l)
}

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func connectionBy(t testing.TB, l *net.TCPListener) (far, near *net.TCPConn) {
	t.Helper()
	far, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	if near, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	far.SetDeadline(time.Now().Add(6 * patience)) // of a whole test, which may move many MiB
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

func TestHalfClose(t *testing.T) { both(t, testHalfClose) }

func testHalfClose(t *testing.T, f form) {
	t.Run("client first", func(t *testing.T) {
		r := newRig(t, f, Pair{First: []byte("hello\n")})
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
		r := newRig(t, f, Pair{})
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

func TestReset(t *testing.T) { both(t, testReset) }

func testReset(t *testing.T, f form) {
	t.Run("by the client", func(t *testing.T) {
		r := newRig(t, f, Pair{})
		r.client.SetLinger(0)
		r.client.Close()
		hearReset(t, r.node)
		r.expect(Result{End: ClientReset})
	})
	t.Run("by the node", func(t *testing.T) {
		r := newRig(t, f, Pair{})
		r.node.SetLinger(0)
		r.node.Close()
		hearReset(t, r.client)
		r.expect(Result{End: NodeReset})
	})
}

// A node that says goodbye and closes with input unread resets; its words must get through all the same.
func TestWordsBeforeReset(t *testing.T) { both(t, testWordsBeforeReset) }

func testWordsBeforeReset(t *testing.T, f form) {
	r := newRig(t, f, Pair{})
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

func TestIdle(t *testing.T) { both(t, testIdle) }

func testIdle(t *testing.T, f form) {
	const idle = time.Second // for so long a busy machine may keep the test waiting between two bytes
	r := newRig(t, f, Pair{Idle: idle})
	var last time.Time
	for began := time.Now(); time.Since(began) < 2*idle; time.Sleep(idle / 20) { // bytes one way keep both alive
		last = time.Now()
		say(t, r.node, "x")
		hear(t, r.client, "x")
	}
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
func TestStalledReaderIsIdle(t *testing.T) { both(t, testStalledReaderIsIdle) }

func testStalledReaderIsIdle(t *testing.T, f form) {
	r := newRig(t, f, Pair{Idle: 300 * time.Millisecond})
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
func TestBulk(t *testing.T) { both(t, testBulk) }

func testBulk(t *testing.T, f form) {
	before := openPipes(t)
	r := newRig(t, f, Pair{})
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
	if openPipes(t) == before {
		t.Error("bulk was not spliced")
	}
}

// Bulk that stops holds no pipe: the next session has it. Each loop keeps pipes of its own.
func TestPipeGoesBack(t *testing.T) { both(t, testPipeGoesBack) }

func testPipeGoesBack(t *testing.T, f form) {
	before := openPipes(t)
	content := make([]byte, 8<<20)
	for range 8 {
		r := newRig(t, f, Pair{})
		go r.node.Write(content)
		if _, err := io.ReadFull(r.client, make([]byte, len(content))); err != nil {
			t.Fatal(err)
		}
		say(t, r.node, "and on")
		hear(t, r.client, "and on")
	}
	most := before + 2*(max(Loops(), 1)+1)
	if after := openPipes(t); after > most {
		t.Errorf("%d ends of pipes for 8 idle sessions, want %d at most", after, most)
	}
}

func TestClose(t *testing.T) { both(t, testClose) }

func testClose(t *testing.T, f form) {
	for _, why := range []End{Drained, Cut} {
		r := newRig(t, f, Pair{})
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
	r := newRig(t, new(plainForm), Pair{Idle: time.Hour})
	s := r.session.(*plain)
	s.up.last.Store(long)
	s.down.last.Store(long)
	r.client.CloseWrite()
	hearEnd(t, r.node)
	for deadline := time.Now().Add(patience); s.running.Load() != 1; {
		if time.Now().After(deadline) {
			t.Fatal("the client's direction did not end")
		}
	}
	s.watch() // what the timer calls
	say(t, r.node, "a late answer")
	hear(t, r.client, "a late answer")

	for !s.Facts().Flushed { // the direction does not touch its stamp after that
	}
	s.down.last.Store(long)
	s.half.Store(long)
	s.watch()
	hearEnd(t, r.client)
	r.expect(Result{Down: 13, End: ClientLeft})
}

// TestDescriptors: sessions that come and go leave no descriptor and no goroutine behind. POSTHOUSE_SESSIONS is how many; 100000 take a minute.
func TestDescriptors(t *testing.T) { both(t, testDescriptors) }

func testDescriptors(t *testing.T, f form) {
	sessions := 500
	if n, err := strconv.Atoi(os.Getenv("POSTHOUSE_SESSIONS")); err == nil {
		sessions = n
	}
	l := listen(t) // one, as ports that rest in TIME_WAIT are none for another
	defer l.Close()
	once := func() {
		result := make(chan Result)
		client, near := connectionBy(t, l)
		node, far := connectionBy(t, l)
		f.Start(Pair{Client: near, Node: far, Idle: time.Hour, Owner: ending(func(r Result) { result <- r })})
		say(t, client, "x")
		hear(t, node, "x")
		client.Close()
		hearEnd(t, node)
		node.Close()
		if got, want := <-result, (Result{Up: 1, End: ClientLeft}); got != want {
			t.Fatalf("result = %+v, want %+v", got, want)
		}
	}
	once() // starts the loops
	before, goroutines := descriptors(t), runtime.NumGoroutine()
	for range sessions {
		once()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), goroutines)
		}
	}
	f.Close()
}

// TestAllowed is the limit of silence, in minutes.
func TestAllowed(t *testing.T) {
	const minute = time.Minute
	rows := []struct{ idle, silent, half, want time.Duration }{
		{30, 0, -1, 30},
		{30, 29, -1, 1},
		{30, 30, -1, 0},
		{30, 29, 0, 10}, // the node has its time to answer that
		{30, 29, 10, 0}, // it had it
		{30, 3, 10, 7},  // it does answer
		{5, 4, 1, 4},    // no longer than without
	}
	for _, row := range rows {
		half := row.half
		if half > 0 {
			half *= minute
		}
		if got := allowed(row.idle*minute, row.silent*minute, half); got != row.want*minute {
			t.Errorf("allowed(%d, %d, %d) = %v, want %v", row.idle, row.silent, row.half, got, row.want*minute)
		}
	}
}

func descriptors(t testing.TB) int { return len(open(t)) }

func openPipes(t testing.TB) (n int) {
	for _, what := range open(t) {
		if strings.HasPrefix(what, "pipe:") {
			n++
		}
	}
	return n
}

// open is what the descriptors of this process are.
func open(t testing.TB) (all []string) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, entry := range entries {
		what, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		all = append(all, what)
	}
	return all
}
