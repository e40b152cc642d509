package relay

import (
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guest is a client that a loop takes in, and what becomes of its call.
type guest struct {
	call    Call
	settled chan Progress
	back    chan Progress
	ended   chan Result
}

func (g *guest) Enter(int, netip.AddrPort, time.Time) *Call {
	g.call.Caller = g
	return &g.call
}

func (g *guest) Room(int) time.Duration    { return 0 }
func (g *guest) Stuck(error) time.Duration { return time.Second }

func (g *guest) Judge(said []byte) Verdict {
	switch {
	case !strings.HasSuffix(string(said), "\n"):
		return Incomplete
	case strings.HasPrefix(string(said), "* OK"):
		return Welcome
	}
	return Unusual
}

func (g *guest) Settled(_ Session, p Progress) Terms {
	g.settled <- p
	return Terms{Owner: ending(func(r Result) { g.ended <- r })}
}

func (g *guest) Back(p Progress) { g.back <- p }

// letIn gives a loop a client that is there already, with words, and calls a node for it.
func letIn(t *testing.T, words string, call Call) (*guest, *net.TCPConn) {
	t.Helper()
	return letInAfter(t, func(client *net.TCPConn) { say(t, client, words) }, call)
}

// letInAfter gives a loop a client that has done something already.
func letInAfter(t *testing.T, before func(client *net.TCPConn), call Call) (*guest, *net.TCPConn) {
	t.Helper()
	needsLoops(t)
	entry := listen(t)
	client, err := net.DialTCP("tcp4", nil, entry.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	client.SetDeadline(time.Now().Add(patience))
	before(client)
	fd, err := bareOf(entry)
	if err != nil {
		t.Fatal(err)
	}
	entry.Close()
	g := &guest{call: call, settled: make(chan Progress, 1), back: make(chan Progress, 1), ended: make(chan Result, 1)}
	e := new(Engine)
	if err := e.Listen(fd, g); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Unlisten(fd)
		unix.Close(fd)
		client.Close()
		e.Close()
	})
	return g, client
}

// bareOf is a descriptor of a listening socket which Go's poller does not know.
func bareOf(l *net.TCPListener) (fd int, err error) {
	f, err := l.File()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		err = unix.SetNonblock(fd, true)
	}
	return fd, err
}

func addressOf(l *net.TCPListener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }

// refusing is an address where nobody listens, and nobody else can.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(at.(*unix.SockaddrInet4).Port))
}

func accept(t *testing.T, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	l.SetDeadline(time.Now().Add(patience))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func receive[T any](t *testing.T, from chan T) (told T) {
	t.Helper()
	select {
	case told = <-from:
	case <-time.After(patience):
		t.Fatal("nothing has become of the call")
	}
	return told
}

// What a client has said before it was accepted goes to the node behind the opening, and counts as the client's; the opening does not.
func TestFirstWords(t *testing.T) {
	for _, row := range []struct{ name, opening, words string }{
		{"both", "PROXY\r\n", "a1 NOOP\r\n"}, {"no opening", "", "a1 NOOP\r\n"}, {"no words", "PROXY\r\n", ""}, {"neither", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := listen(t)
			defer l.Close()
			g, client := letIn(t, row.words, Call{Node: addressOf(l), Opening: []byte(row.opening), Patience: patience})
			node := accept(t, l)
			hear(t, node, row.opening+row.words)
			if p := receive(t, g.settled); !p.Connected || p.ToConnect <= 0 || p.ToGreet < 0 {
				t.Errorf("%+v", p)
			}
			say(t, node, "a1 OK\r\n")
			hear(t, client, "a1 OK\r\n")
			say(t, client, "more")
			hear(t, node, "more")
		})
	}
}

// A node that greets gets its opening at once, and no word of the client's before it has greeted.
func TestOpeningBeforeGreeting(t *testing.T) {
	l := listen(t)
	defer l.Close()
	g, client := letIn(t, "a1 NOOP\r\n", Call{Node: addressOf(l), Opening: []byte("PROXY\r\n"), Greets: true, Patience: patience})
	node := accept(t, l)
	hear(t, node, "PROXY\r\n")
	select {
	case p := <-g.settled:
		t.Errorf("settled without a greeting: %+v", p)
	default:
	}
	say(t, node, "* OK\r\n")
	hear(t, client, "* OK\r\n")
	hear(t, node, "a1 NOOP\r\n")
	if p := receive(t, g.settled); !p.Introduced || p.ToConnect <= 0 || p.ToGreet <= 0 {
		t.Errorf("%+v", p)
	}
}

// Nothing that the client has said is lost with the node that should have heard it.
func TestFirstWordsComeBack(t *testing.T) {
	deaf := listen(t) // its queue is full, so that a SYN has no answer
	defer deaf.Close()
	raw, err := deaf.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { unix.Listen(int(fd), 0) })
	for range 2 {
		c, err := net.DialTimeout("tcp4", deaf.Addr().String(), 100*time.Millisecond)
		if err == nil {
			defer c.Close()
		}
	}
	for _, row := range []struct {
		name string
		node netip.AddrPort
		open bool
	}{{"refused", refusing(t), false}, {"no answer", addressOf(deaf), true}} {
		t.Run(row.name, func(t *testing.T) {
			g, _ := letIn(t, "a1 NOOP\r\n", Call{Node: row.node, Opening: []byte("PROXY\r\n"), Patience: wheelTick})
			p := receive(t, g.back)
			if string(p.Early) != "a1 NOOP\r\n" || p.Connected || p.Introduced || (p.Node != 0) != row.open {
				t.Errorf("%q, %+v", p.Early, p)
			}
			unix.Close(p.Client)
			if p.Node != 0 {
				unix.Close(p.Node)
			}
		})
	}
}

// A client that resets is no client that has nothing more to say, even if the reset was there before it had a node.
func TestResetBeforeTheCall(t *testing.T) {
	for _, opening := range []string{"", "PROXY\r\n"} {
		l := listen(t)
		defer l.Close()
		g, _ := letInAfter(t, func(client *net.TCPConn) {
			client.SetLinger(0)
			client.Close()
		}, Call{Node: addressOf(l), Opening: []byte(opening), Patience: patience})
		node := accept(t, l)
		receive(t, g.settled)
		hearReset(t, node)
		node.Close()
		if r := receive(t, g.ended); r != (Result{End: ClientReset}) {
			t.Errorf("%+v", r)
		}
	}
}

// A node that has taken a part of a client's first words gets the rest of them: nobody else hears them.
func TestFirstWordsInPieces(t *testing.T) {
	l := listen(t) // with so little room, and in such small segments, that they are more than a new socket takes
	defer l.Close()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 88)
	})
	words := strings.Repeat("0123456789abcd\r\n", 30<<10/16)
	g, client := letIn(t, words, Call{Node: addressOf(l), Opening: []byte("PROXY\r\n"), Patience: patience})
	node := accept(t, l)
	select {
	case <-g.settled:
	case p := <-g.back:
		t.Fatalf("%d bytes come back, of which the node has some", len(p.Early))
	}
	say(t, client, "more")
	hear(t, node, "PROXY\r\n"+words+"more")
	client.Close()
	hearEnd(t, node)
	node.Close()
	if r := receive(t, g.ended); r.Up != int64(len(words)+4) || r.End != ClientLeft {
		t.Errorf("%+v", r)
	}
}

// A loop that has slept for longer than a turn of its wheel gives a call all of its time.
func TestCallAfterASleep(t *testing.T) {
	b := newBench(t)
	b.wheel = newWheel(b.now - 3*wheelSlots*wheelTick)
	l := listen(t)
	defer l.Close()
	g := &guest{call: Call{Node: addressOf(l), Greets: true, Patience: patience}, settled: make(chan Progress, 1), back: make(chan Progress, 1), ended: make(chan Result, 1)}
	client, near := connection(t)
	defer client.Close()
	fd, err := duplicate(near)
	if err != nil {
		t.Fatal(err)
	}
	near.Close()
	b.receive(visitor{door: g, fd: fd})
	node := accept(t, l)
	b.step()
	if len(g.back) > 0 {
		t.Error("the call was given back at once")
	}
	say(t, node, "* OK\r\n")
	for len(g.settled) == 0 && len(g.back) == 0 {
		b.step()
	}
	hear(t, client, "* OK\r\n")
}

// counting is a door that keeps its clients to itself.
type counting struct{ entered atomic.Int32 }

func (d *counting) Enter(client int, _ netip.AddrPort, _ time.Time) *Call {
	d.entered.Add(1)
	unix.Close(client)
	return nil
}

func (*counting) Room(int) time.Duration    { return 0 }
func (*counting) Stuck(error) time.Duration { return time.Second }

// What one loop has taken in may be on its way to another when the entrance is shut.
func TestUnlistenWaitsForWhoIsUnderway(t *testing.T) {
	needsLoops(t)
	e := new(Engine)
	e.once.Do(func() {})
	for range 2 {
		l, err := newLoop(true, net.KeepAliveConfig{})
		if err != nil {
			t.Fatal(err)
		}
		e.loops = append(e.loops, l)
	}
	first, second := e.loops[0], e.loops[1]
	second.others = e.loops[:1]
	second.load.Store(uneven + 1)
	entry := listen(t)
	fd, err := bareOf(entry)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	entry.Close()
	d := new(counting)
	e.Listen(fd, d)
	first.step()
	second.step()
	shut := make(chan bool)
	go func() {
		e.Unlisten(fd)
		close(shut)
	}()
	for first.entrances[0] != nil {
		first.step()
	}
	client, err := net.DialTCP("tcp4", nil, entry.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for second.entrances[0] != nil { // takes the client in and hands it over
		second.step()
	}
	select {
	case <-shut:
		t.Error("shut while a client was on its way")
	case <-time.After(50 * time.Millisecond):
	}
	e.running.Go(first.run)
	e.running.Go(second.run)
	<-shut
	if n := d.entered.Load(); n != 1 {
		t.Errorf("%d clients had entered, want 1", n)
	}
	e.Close()
}

// A node that goes before it has taken the opening, as a kernel without memory may have it, has heard nothing of the client; and no less than that.
func TestOpeningThatIsNotTaken(t *testing.T) {
	b := newBench(t)
	result := make(chan Result, 1)
	_, _, s := b.start(Pair{Owner: ending(func(r Result) { result <- r })})
	words := []byte("PROXY\r\na NOOP\r\n")
	b.count(s, words, len("PROXY\r\n"), 0)
	if f := s.Facts(); f.Up != 0 || f.Flushed {
		t.Errorf("before the opening was taken: %+v", f)
	}
	s.note(NodeReset)
	b.finish(s)
	if r := <-result; r.Up != 0 {
		t.Errorf("%d bytes of the client's were passed on, want none", r.Up)
	}
}

// The kernel may have no room to watch an entrance, least of all after a pause for want of descriptors. Nobody would let clients in there ever again.
func TestEntranceThatCannotBeWatched(t *testing.T) {
	b := newBench(t)
	entry := listen(t)
	listening, err := bareOf(entry)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listening)
	defer entry.Close()
	fd, err := unix.Open("/dev/null", unix.O_CLOEXEC, 0) // which epoll refuses
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	d := new(counting)
	b.watch(&entrance{fd: fd, door: d})
	if err := unix.Dup3(listening, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	client, err := net.DialTCP("tcp4", nil, entry.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	alarm := time.AfterFunc(patience, func() { b.post(letter{recall: true}) })
	defer alarm.Stop()
	for began := time.Now(); d.entered.Load() == 0; b.step() {
		if time.Since(began) >= patience {
			t.Fatal("the client waits for ever")
		}
	}
}
