package proxy

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"posthouse/config"
	"posthouse/proxy/relay"
)

// TestQuick: which clients the loops let in, where there are loops. What is kept of such a session, once it has its node, is direct.
func TestQuick(t *testing.T) {
	rows := []struct {
		name   string
		change func(*config.Service)
		quick  bool
	}{
		{"greeting", nil, true},
		{"PROXY out", func(s *config.Service) { s.Proxy = config.ProxyV2 }, true},
		{"limits", func(s *config.Service) { s.Limits.ClientSessions = 3 }, true},
		{"tcp", func(s *config.Service) { s.Protocol = config.TCP }, true},
		{"PROXY in", func(s *config.Service) { s.AcceptProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, row.change, newNode(t, func(c *net.TCPConn) {
				io.WriteString(c, greeting)
				io.Copy(io.Discard, c)
			}))
			c := r.connect()
			if !row.quick {
				c.say("PROXY UNKNOWN\r\n")
			}
			if row.change == nil || row.name == "limits" || !row.quick {
				c.hear(greeting)
			}
			eventually(t, "the session has a node", func() bool { return len(r.server.live.relayed()) == 1 })
			if quick, want := r.lent(), row.quick && relay.Loops() > 0; quick != want {
				t.Errorf("quick = %v, want %v", quick, want)
			}
			if s := r.server.live.relayed()[0]; s.attempts != 1 || (s.approach == direct) != row.quick {
				t.Errorf("%d attempts, and the approach is kept: %v, want %v", s.attempts, s.approach != direct, !row.quick)
			}
		})
	}
}

// A client that is denied while a loop calls a node for it leaves nothing behind, whatever becomes of the call.
func TestDenyDuringTheCall(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	client, node := newBareEnd(t), newBareEnd(t)
	call := r.enter(client)
	r.server.Deny([]Denial{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}})
	call.Caller.Back(relay.Progress{Client: client.fd, Node: node.fd, Connected: true, Introduced: true})
	node.say(greeting)
	client.hearRest()
	node.hearRest()
	r.expectEnd("killed")
	if n := r.server.Router.Table().Backends()[0].Sessions(); n != 0 {
		t.Errorf("the node is left with %d sessions", n)
	}
}

// What a client says before a far node has accepted is not lost when the call is given back meanwhile.
func TestFirstWordsOfACallThatComesBack(t *testing.T) {
	r := newRig(t, func(s *config.Service) { s.Protocol = config.TCP }, newNode(t, echo))
	client, node := newBareEnd(t), newBareEnd(t)
	call := r.enter(client)
	call.Caller.Back(relay.Progress{Client: client.fd, Node: node.fd, Early: []byte("hello, ")})
	client.say("node")
	node.hear("hello, node")
	client.CloseWrite()
	node.hearEnd()
	node.Close()
	if line := r.expectEnd("client"); line["up"] != 11.0 || line["failed"] != nil {
		t.Errorf("session log: %v", line)
	}
}

// enter lets a client in as a loop does, and returns the call that is to be made for it.
func (r *rig) enter(client bareEnd) *relay.Call {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for _, l := range r.server.listeners {
		return l.Enter(client.fd, addressOf(client.LocalAddr()), time.Now())
	}
	return nil
}

// bareEnd is a connection whose near end is a descriptor that Go's poller does not know.
type bareEnd struct {
	*peer
	fd int
}

func newBareEnd(t *testing.T) bareEnd {
	near, far := tcpPair(t)
	defer near.Close()
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	e := bareEnd{peer: newPeer(t, far)}
	raw.Control(func(fd uintptr) { e.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// lent says whether the only listener is with the loops.
func (r *rig) lent() bool {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for _, l := range r.server.listeners {
		return l.fd != 0
	}
	return false
}

// A reload that takes an address from the loops, or gives it to them, loses no client.
func TestQuickAndBack(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	for i := range 4 {
		c := r.connect()
		if i%2 == 1 {
			c.say("PROXY UNKNOWN\r\n")
		}
		c.hear(greeting)
		c.say("x")
		c.hear("x")
		r.apply(with(r.topology, copyOf(r.service, func(s *config.Service) {
			if i%2 == 0 {
				s.AcceptProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			}
		})))
		c.say("y")
		c.hear("y")
	}
}

// walking is how the servers of rigs take clients in: by loops, where that is possible, or by goroutines in every case.
var walking bool

// TestWalking runs every case of the session tests again without the quick way, which the loops of the relay go.
func TestWalking(t *testing.T) {
	if relay.Loops() == 0 {
		t.Skip("without loops each test has gone this way by itself")
	}
	walking = true
	defer func() { walking = false }()
	for name, test := range map[string]func(*testing.T){
		"end to end": TestSessionEndToEnd, "failover": TestFailover, "hedge": TestHedge, "hedge loses": TestHedgeLoses,
		"one hedge": TestOneHedgeAtATime, "silence": TestSilenceWithoutHedge, "refused twice": TestRefusedTwice, "refused once": TestRefusedOnce,
		"in pieces": TestGreetingInPieces, "pipelined": TestPipelinedInput, "client leaves": TestClientLeavesDuringWalk,
		"no node answers": TestNoNodeAnswers, "no node": TestNoNodeAtAll, "tcp": TestTCPCommitsOnConnect, "full node": TestFullNodeIsPassedOver,
		"our fault": TestOurOwnFault, "sources": TestSourcesInTurn, "second address": TestSecondAddress,
		"sessions": TestSessionsLimit, "over limit": TestOverLimit, "allow and deny": TestAllowAndDeny,
		"shutdown": TestShutdown, "shutdown early": TestShutdownBeforeTheRelay, "nothing begins": TestNothingBeginsAfterRun, "list": TestList,
		"no descriptors": TestNoDescriptors, "reserve": TestReserveComesBack, "many": TestManySessionsLeaveNothing,
		"reload": TestReloadKeepsSessions, "settings": TestReloadChangesSettings, "two tables": TestSessionBetweenTwoTables,
		"proxy": TestProxyInAndOut, "proxy v1": TestProxyV1OutReadByArmon, "balancer": TestToBalancerSaysRegion,
		"silent nodes": TestEveryNodeIsSilent, "no time": TestNoTimeForMore, "failures": TestSilenceAndFailures,
	} {
		t.Run(name, test)
	}
}

// Idle sessions are most of what a balancer holds: a field that few of them need belongs to their approach.
func TestSessionSize(t *testing.T) {
	if size := unsafe.Sizeof(session{}); size > 192 { // a size class of Go's heap
		t.Errorf("a session takes %d bytes, want 192 at most", size)
	}
}
