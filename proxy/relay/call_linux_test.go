package relay

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guest is a client that a loop takes in, and what becomes of its call.
type guest struct {
	call    Call
	settled chan Progress
	back    chan Progress
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
	return Terms{Owner: ending(func(Result) {})}
}

func (g *guest) Back(p Progress) { g.back <- p }

// letIn gives a loop a client that is there already, with words, and calls a node for it.
func letIn(t *testing.T, words string, call Call) (*guest, *net.TCPConn) {
	t.Helper()
	needsLoops(t)
	entry := listen(t)
	client, err := net.DialTCP("tcp4", nil, entry.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	client.SetDeadline(time.Now().Add(patience))
	say(t, client, words)
	fd, err := bareOf(entry)
	if err != nil {
		t.Fatal(err)
	}
	entry.Close()
	g := &guest{call: call, settled: make(chan Progress, 1), back: make(chan Progress, 1)}
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

func receive(t *testing.T, from chan Progress) Progress {
	t.Helper()
	select {
	case p := <-from:
		return p
	case <-time.After(patience):
		t.Fatal("nothing has become of the call")
	}
	return Progress{}
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
