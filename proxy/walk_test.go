package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/config"
)

func TestSessionEndToEnd(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	c := r.connect()
	c.hear(greeting)
	c.say("a NOOP\r\n")
	c.hear("a NOOP\r\n")
	c.CloseWrite()
	c.hearEnd()
	line := r.expectEnd("client")
	if line["up"] != 8.0 || line["down"] != float64(len(greeting)+8) || line["node"] != "node-1" || line["region"] != "r0" || line["tries"] != 1.0 {
		t.Errorf("session log: %v", line)
	}
}

// Before a node has greeted every failure leads to the next node, unseen by the client.
func TestFailover(t *testing.T) {
	rows := []struct {
		name     string
		first    func(testing.TB) *node
		failed   string
		suspects []string
	}{
		{"refused", refusing, "node-1:refused", []string{"node-1"}},
		{"closed without words", func(t testing.TB) *node { return newNode(t, hangsUp) }, "node-1:closed", []string{"node-1"}},
		{"reset", func(t testing.TB) *node { return newNode(t, resets) }, "node-1:reset", []string{"node-1"}},
		{"garbage", func(t testing.TB) *node { return newNode(t, says("500 5.5.1 no\r\n")) }, "node-1:garbage", []string{"node-1"}},
		{"half a line", func(t testing.TB) *node {
			return newNode(t, func(c *net.TCPConn) { io.WriteString(c, "* OK rea") })
		}, "node-1:closed", []string{"node-1"}},
		{"refusal in words", func(t testing.TB) *node { return newNode(t, says("* BYE full\r\n")) }, "node-1:words", nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, nil, row.first(t), newNode(t, echo))
			c := r.connect()
			c.hear(greeting)
			c.Close()
			line := r.expectEnd("client")
			if line["node"] != "node-2" || line["failed"] != row.failed || line["tries"] != 2.0 {
				t.Errorf("session log: %v", line)
			}
			if got := r.suspects(); !slices.Equal(got, row.suspects) {
				t.Errorf("suspects = %v, want %v", got, row.suspects)
			}
			if n := r.server.Router.Table().Backends()[0].Sessions(); n != 0 {
				t.Errorf("node-1 is left with %d sessions", n)
			}
		})
	}
}

// A node that is silent gets company after its hedge; the first to greet wins, and the loser is hung up on and counted out.
func TestHedge(t *testing.T) {
	frozen := newNode(t, mute)
	r := newRig(t, patiently(hedge(50*time.Millisecond)), frozen, newNode(t, echo))
	c := r.connect()
	c.hear(greeting)
	eventually(t, "node-1 is counted out", func() bool { return r.server.Router.Table().Backends()[0].Sessions() == 0 })
	c.Close()
	line := r.expectEnd("client")
	if line["hedged"] != true || line["node"] != "node-2" || line["tries"] != 2.0 {
		t.Errorf("session log: %v", line)
	}
	if got := r.suspects(); !slices.Equal(got, []string{"node-1"}) {
		t.Errorf("suspects = %v, want the silent node: its probes are due", got)
	}
}

// The slow node may still be the first to greet; the company it got is sent away like any client that logs out.
func TestHedgeLoses(t *testing.T) {
	farewell, company, won := make(chan string, 1), make(chan struct{}), make(chan struct{})
	slow := newNode(t, func(c *net.TCPConn) {
		<-company
		io.WriteString(c, greeting)
		io.Copy(io.Discard, c)
	})
	slower := newNode(t, func(c *net.TCPConn) {
		p := newPeer(t, c)
		p.r.ReadString('\n') // the PROXY header: the connection stands on both sides
		close(company)
		<-won
		p.say(greeting)
		said, _ := p.hearRest()
		farewell <- said
	})
	r := newRig(t, func(s *config.Service) {
		hedge(50 * time.Millisecond)(s)
		s.Proxy = config.ProxyV1
	}, slow, slower)
	c := r.connect()
	c.hear(greeting)
	close(won)
	if got := <-farewell; got != "A LOGOUT\r\n" {
		t.Errorf("the loser heard %q", got)
	}
	c.Close()
	if line := r.expectEnd("client"); line["node"] != "node-1" {
		t.Errorf("session log: %v", line)
	}
}

// One hedge at a time: of four silent nodes two are asked at any moment.
func TestOneHedgeAtATime(t *testing.T) {
	nodes := []*node{newNode(t, mute), newNode(t, mute), newNode(t, mute), newNode(t, mute)}
	r := newRig(t, patiently(hedge(20*time.Millisecond)), nodes...)
	c := r.connect()
	eventually(t, "the second node is asked", func() bool { return nodes[1].accepted() == 1 })
	c.Close() // noticed after several hedges' time
	if line := r.expectEnd("left"); line["tries"] != 2.0 {
		t.Errorf("session log: %v", line)
	}
}

func hedge(after time.Duration) func(*config.Service) {
	return func(s *config.Service) { s.Timeouts.Hedge = config.Hedge{After: after} }
}

// patiently gives up no silent node within a test.
func patiently(change func(*config.Service)) func(*config.Service) {
	return func(s *config.Service) {
		s.Timeouts.Greeting = 2 * patience
		change(s)
	}
}

func TestSilenceWithoutHedge(t *testing.T) {
	r := newRig(t, nil, newNode(t, mute), newNode(t, echo))
	c := r.connect()
	c.hear(greeting)
	c.Close()
	if line := r.expectEnd("client"); line["failed"] != "node-1:silent" {
		t.Errorf("session log: %v", line)
	}
}

func TestRefusedTwice(t *testing.T) {
	third := newNode(t, echo)
	r := newRig(t, nil, newNode(t, says("* BYE first\r\n")), newNode(t, says("* BYE second\r\nmore\r\n")), third)
	c := r.connect()
	c.hear("* BYE second\r\nmore\r\n")
	c.Close()
	line := r.expectEnd("refused")
	if line["failed"] != "node-1:words node-2:words" || line["node"] != "node-2" {
		t.Errorf("session log: %v", line)
	}
	if third.accepted() != 0 || len(r.suspects()) != 0 {
		t.Errorf("a third node was asked, or %v are suspected", r.suspects())
	}
}

// The only words that were heard are passed on, and the client can go on talking to that node (RFC 5321, 3.1: after 554 it
// says QUIT).
func TestRefusedOnce(t *testing.T) {
	node := newNode(t, func(c *net.TCPConn) {
		io.WriteString(c, "554 5.7.1 you are listed\r\n")
		p := newPeer(t, c)
		p.hear("QUIT\r\n")
		p.say("221 bye\r\n")
	})
	r := newRig(t, func(s *config.Service) { s.Protocol = config.SMTP }, node, refusing(t))
	c := r.connect()
	c.hear("554 5.7.1 you are listed\r\n")
	c.say("QUIT\r\n")
	c.hear("221 bye\r\n")
	c.hearEnd()
	c.Close()
	r.expectEnd("refused")
}

func TestGreetingInPieces(t *testing.T) {
	node := newNode(t, func(c *net.TCPConn) {
		for _, piece := range []string{"2", "20-mail.exam", "ple.org ESMTP\r", "\n220 really\r\n"} {
			io.WriteString(c, piece)
			time.Sleep(5 * time.Millisecond) // separate segments; the test does not depend on it
		}
		io.Copy(c, c)
	})
	r := newRig(t, func(s *config.Service) { s.Protocol = config.SMTP }, node)
	c := r.connect()
	c.hear("220-mail.example.org ESMTP\r\n220 really\r\n")
	c.say("EHLO me\r\n")
	c.hear("EHLO me\r\n")
}

// What a client says before the greeting waits in the kernel, through a failover too, and so does its half-close.
func TestPipelinedInput(t *testing.T) {
	late := newNode(t, func(c *net.TCPConn) {
		time.Sleep(2 * lookFirst) // so that we look for the client meanwhile
		echo(c)
	})
	r := newRig(t, nil, newNode(t, hangsUp), late)
	c := r.connect()
	c.say("a LOGIN x y\r\nb LOGOUT\r\n")
	c.CloseWrite()
	c.hear(greeting + "a LOGIN x y\r\nb LOGOUT\r\n")
	c.hearEnd()
	r.expectEnd("client")
}

func TestClientLeavesDuringWalk(t *testing.T) {
	for name, leave := range map[string]func(*peer){
		"close": func(c *peer) { c.Close() },
		"reset": func(c *peer) { c.SetLinger(0); c.Close() },
		"reset after input": func(c *peer) {
			c.say("x\r\n")
			c.SetLinger(0)
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan struct{})
			r := newRig(t, nil, newNode(t, func(c *net.TCPConn) { mute(c); close(gone) }))
			leave(r.connect())
			r.expectEnd("left")
			<-gone
		})
	}
}

func TestNoNodeAnswers(t *testing.T) {
	rows := []struct {
		protocol config.Protocol
		words    string
	}{
		{config.SMTP, "421 4.3.2 mail.example.org no server available, try again later\r\n"},
		{config.LMTP, "421 4.3.2 mail.example.org no server available, try again later\r\n"},
		{config.IMAP, "* BYE [UNAVAILABLE] no server available, try again later\r\n"},
		{config.POP3, "-ERR [SYS/TEMP] no server available, try again later\r\n"},
		{config.Sieve, "BYE (TRYLATER) \"no server available, try again later\"\r\n"},
		{config.TCP, ""},
	}
	for _, row := range rows {
		t.Run(string(row.protocol), func(t *testing.T) {
			r := newRig(t, func(s *config.Service) { s.Protocol = row.protocol }, refusing(t), refusing(t))
			c := r.connect()
			c.say("hello before the words\r\n") // unread input must not destroy them
			c.hear(row.words)
			c.hearEnd()
			c.Close()
			if line := r.expectEnd("no-node"); line["failed"] != "node-1:refused node-2:refused" {
				t.Errorf("session log: %v", line)
			}
		})
	}
}

func TestNoNodeAtAll(t *testing.T) {
	r := newRig(t, nil)
	c := r.connect()
	c.hear("* BYE [UNAVAILABLE] no server available, try again later\r\n")
	c.hearEnd()
	r.expectEnd("no-node")
}

func TestTCPCommitsOnConnect(t *testing.T) {
	r := newRig(t, func(s *config.Service) {
		s.Protocol = config.TCP
		s.Timeouts.Hedge = config.Hedge{After: time.Millisecond}
	}, refusing(t), newNode(t, func(c *net.TCPConn) { io.Copy(c, c) }))
	c := r.connect()
	c.say("hello")
	c.hear("hello")
	c.CloseWrite()
	c.hearEnd()
	if line := r.expectEnd("client"); line["node"] != "node-2" || line["hedged"] != nil {
		t.Errorf("session log: %v", line)
	}
}

func TestFullNodeIsPassedOver(t *testing.T) {
	first := newNode(t, echo)
	topology := newTopology(nil, first, newNode(t, echo))
	topology.Nodes[0].MaxSessions = 1
	r := &rig{t: t, log: new(logBuffer), topology: topology, service: topology.Services[0]}
	r.start()
	for range 3 {
		r.connect().hear(greeting)
	}
	if n := first.accepted(); n != 1 {
		t.Errorf("a node with max_sessions 1 got %d", n)
	}
}

// A port or a source address that we lack says nothing about a node.
func TestOurOwnFault(t *testing.T) {
	r := newRig(t, func(s *config.Service) { s.Source = []netip.Addr{netip.MustParseAddr("192.0.2.1")} }, newNode(t, echo))
	c := r.connect()
	c.hear("* BYE [UNAVAILABLE]")
	if line := r.expectEnd("no-node"); line["failed"] != "node-1:no-port" {
		t.Errorf("session log: %v", line)
	}
	if got := r.suspects(); got != nil {
		t.Errorf("suspects = %v, want none", got)
	}
}

func TestSourcesInTurn(t *testing.T) {
	from := make(chan string, 16)
	node := newNode(t, func(c *net.TCPConn) {
		from <- addressOf(c.RemoteAddr()).Addr().String()
		echo(c)
	})
	r := newRig(t, func(s *config.Service) {
		for _, a := range []string{"127.0.0.7", "192.0.2.1", "::1", "127.0.0.8"} {
			s.Source = append(s.Source, netip.MustParseAddr(a))
		}
	}, node)
	seen := make(map[string]int)
	for range 6 {
		r.connect().hear(greeting)
		seen[<-from]++
	}
	if seen["127.0.0.7"]+seen["127.0.0.8"] != 6 || seen["127.0.0.7"] < 2 || seen["127.0.0.8"] < 2 {
		t.Errorf("sources = %v", seen)
	}
}

// A node with two addresses is reached by the one that answers, whether the other one refuses or is silent.
func TestSecondAddress(t *testing.T) {
	for name, other := range map[string]func(*testing.T, netip.AddrPort){"refuses": func(*testing.T, netip.AddrPort) {}, "silent": deaf} {
		t.Run(name, func(t *testing.T) {
			node := newNode(t, echo)
			first := netip.MustParseAddr("127.0.0.9")
			other(t, netip.AddrPortFrom(first, node.port))
			topology := newTopology(func(s *config.Service) { s.Timeouts.Connect = 2 * lookFirst }, node)
			topology.Nodes[0].Addresses = []netip.Addr{first, netip.MustParseAddr("127.0.0.1")}
			r := &rig{t: t, log: new(logBuffer), topology: topology, service: topology.Services[0]}
			r.start()
			c := r.connect()
			c.hear(greeting)
			c.Close()
			if line := r.expectEnd("client"); line["address"] != fmt.Sprintf("127.0.0.1:%d", node.port) || line["tries"] != 1.0 {
				t.Errorf("session log: %v", line)
			}
		})
	}
}

// deaf answers no SYN at an address: its queue is full.
func deaf(t *testing.T, at netip.AddrPort) {
	t.Helper()
	there := &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	socket := func() int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	l := socket()
	if err := errors.Join(unix.Bind(l, there), unix.Listen(l, 0)); err != nil {
		t.Skip(err)
	}
	for range 4 { // one fits in
		c := socket()
		unix.SetNonblock(c, true)
		unix.Connect(c, there)
	}
}
