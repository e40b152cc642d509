package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

// mark takes a subject out of routing, as an operator does before a drain.
func (r *rig) mark(s routing.Subject) {
	r.server.Router.Mark(func(m routing.Marks) routing.Marks { return m.With(routing.Mark{Subject: s}) })
}

// drained runs a drain to its end.
func (r *rig) drained(s routing.Subject, within time.Duration) Drained {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), within+patience)
	defer cancel()
	last := Drained{}
	end := r.server.Drain(ctx, s, within, func(d Drained) {
		if d.Sessions < last.Sessions {
			r.t.Errorf("a drain of %d sessions became one of %d", last.Sessions, d.Sessions)
		}
		last = d
	})
	if ctx.Err() != nil {
		r.t.Fatalf("the drain did not end: %+v", end)
	}
	return end
}

// A drain of a node leaves the others alone, and new clients go to them.
func TestDrainNode(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo), newNode(t, echo))
	quiet, leaving, busy := r.connect(), r.connect(), r.connect()
	for _, c := range []*peer{quiet, leaving, busy} {
		c.hear(greeting)
	}
	node := routing.Subject{Node: "node-1"}
	r.mark(node)
	other := r.connect()
	other.hear(greeting)
	stop := make(chan struct{})
	go func() { // never silent
		defer close(stop)
		for {
			if _, err := io.WriteString(busy, "x"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	begun := make(chan bool, 1)
	go func() {
		<-begun
		leaving.Close()
	}()
	began := false
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := r.server.Drain(ctx, node, 3*time.Second, func(Drained) {
		if !began {
			began = true
			begun <- true
		}
	})
	quiet.hearEnd()
	busy.hearRest()
	<-stop
	if got.Sessions != 3 || got.Open != 0 || got.Cut != 1 || got.Quiet+got.Left != 2 || got.Quiet == 0 {
		t.Errorf("drained %+v, want one cut and two that left or were closed quiet", got)
	}
	other.say("still here")
	other.hear("still here")
	if all, n := r.server.List(Filter{Subject: routing.Subject{Node: "node-2"}}, "", 9); n != 1 || len(all) != 1 || all[0].Node != "node-2" {
		t.Errorf("sessions of node-2: %+v of %d", all, n)
	}
}

// A drain that is taken back leaves the sessions that it has not closed.
func TestDrainStops(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	c := r.connect()
	c.hear(greeting)
	ctx, cancel := context.WithCancel(t.Context())
	got := r.server.Drain(ctx, routing.Subject{Service: "imap"}, time.Hour, func(d Drained) {
		if d.Open == 1 {
			cancel()
		}
	})
	if got.Open != 1 || got.Quiet+got.Cut+got.Left != 0 {
		t.Errorf("stopped at %+v", got)
	}
	c.say("x")
	c.hear("x")
}

func TestDrainOfNothing(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	if got := r.drained(routing.Subject{Region: "r0"}, time.Hour); got != (Drained{}) {
		t.Errorf("drained %+v, want nothing", got)
	}
}

// A request in flight ends with Connection: close; a client that keeps a connection to the drained node is given another node.
func TestDrainHTTP(t *testing.T) {
	asked, answer := make(chan bool, 1), make(chan bool)
	slow := newNode(t, func(c *net.TCPConn) {
		in := bufio.NewReader(c)
		for {
			if _, ok := readHead(in); !ok {
				return
			}
			asked <- true
			<-answer
			io.WriteString(c, answered("slow"))
		}
	})
	r := newHTTPRig(t, nil, slow, named(t, "other"))
	busy := r.connect()
	busy.say(get("/"))
	<-asked
	node := routing.Subject{Node: "node-1"}
	r.mark(node)
	ended := make(chan Drained, 1)
	told := make(chan bool)
	go func() {
		once := false
		ended <- r.server.Drain(t.Context(), node, time.Hour, func(d Drained) {
			if d.Open == 1 && !once {
				once = true
				close(told)
			}
		})
	}()
	<-told
	close(answer)
	if res, body := busy.response("GET"); body != "slow" || !res.Close {
		t.Errorf("%q, close %t", body, res.Close)
	}
	busy.hearEnd()
	if got := <-ended; got != (Drained{Sessions: 1, Quiet: 1}) {
		t.Errorf("drained %+v", got)
	}
	fresh := r.connect()
	fresh.say(get("/"))
	if _, body := fresh.response("GET"); body == "slow" {
		t.Error("a request went to the drained node")
	}
}

// What a client has for itself is no way around a mark.
func TestDrainHTTPOwnConnection(t *testing.T) {
	headed := func(name string) *node {
		return newNode(t, func(c *net.TCPConn) {
			in := bufio.NewReader(c)
			if _, err := in.ReadString('\n'); err != nil { // the PROXY header
				return
			}
			for {
				if _, ok := readHead(in); !ok {
					return
				}
				io.WriteString(c, answered(name))
			}
		})
	}
	r := newHTTPRig(t, func(s *config.Service) { s.Proxy = config.ProxyV1 }, headed("node-1"), headed("node-2"))
	c := r.connect()
	for i, want := range []string{"node-1", "node-1", "node-2"} {
		if i == 2 {
			r.mark(routing.Subject{Node: "node-1"})
		}
		c.say(get("/"))
		if _, body := c.response("GET"); body != want {
			t.Errorf("request %d was answered by %q, want %q", i+1, body, want)
		}
	}
}

func TestKill(t *testing.T) {
	for _, row := range []struct {
		name   string
		filter Filter
		killed int
	}{
		{"its node", Filter{Subject: routing.Subject{Node: "node-1"}}, 1},
		{"its service", Filter{Subject: routing.Subject{Service: "imap"}}, 1},
		{"its network", Filter{Client: netip.MustParsePrefix("127.0.0.0/8")}, 1},
		{"its network on its node", Filter{routing.Subject{Node: "node-1", Region: "r0"}, netip.MustParsePrefix("127.0.0.1/32")}, 1},
		{"another node", Filter{Subject: routing.Subject{Node: "node-2"}}, 0},
		{"another region", Filter{Subject: routing.Subject{Region: "r1"}}, 0},
		{"another network", Filter{Client: netip.MustParsePrefix("192.0.2.0/24")}, 0},
		{"another network of its node", Filter{routing.Subject{Node: "node-1"}, netip.MustParsePrefix("::/0")}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, nil, newNode(t, echo))
			c := r.connect()
			c.hear(greeting)
			eventually(t, "a session", func() bool { return len(r.list()) == 1 })
			if got := r.server.Kill(row.filter); got != row.killed {
				t.Errorf("Kill = %d, want %d", got, row.killed)
			}
			if row.killed > 0 {
				c.hearRest()
				r.expectEnd("killed")
				return
			}
			c.say("x")
			c.hear("x")
		})
	}
}

func TestKillHTTP(t *testing.T) {
	asked := make(chan bool)
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		readHead(bufio.NewReader(c))
		close(asked)
		io.Copy(io.Discard, c)
	}))
	busy, idle := r.connect(), r.connect()
	busy.say(get("/"))
	<-asked
	eventually(t, "both", func() bool { return len(r.server.live.conversing()) == 2 })
	if got := r.server.Kill(Filter{Subject: routing.Subject{Node: "node-1"}}); got != 1 {
		t.Errorf("%d were killed on the node, want the one with a request there", got)
	}
	busy.hearRest()
	if got := r.server.Kill(Filter{Client: netip.MustParsePrefix("127.0.0.0/8")}); got == 0 {
		t.Error("the idle client was not killed")
	}
	idle.hearEnd()
}

func TestDeny(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	there := r.connect()
	there.hear(greeting)
	r.server.Deny([]Denial{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}, {netip.MustParsePrefix("127.0.0.0/8"), time.Now().Add(time.Hour)}})
	r.connect().hearRest()
	r.expectEnd("denied")
	there.say("x")
	there.hear("x")
	for _, lifted := range [][]Denial{
		nil,
		{{netip.MustParsePrefix("127.0.0.0/8"), time.Now().Add(-time.Second)}}, // its time is over
		{{Prefix: netip.MustParsePrefix("::/0")}},
	} {
		r.server.Deny(lifted)
		r.connect().hear(greeting)
	}
}

// A client that has no node yet when its network is denied does not slip through.
func TestDenyDuringTheWalk(t *testing.T) {
	greet, asked := make(chan bool), make(chan bool)
	r := newRig(t, nil, newNode(t, func(c *net.TCPConn) {
		close(asked)
		<-greet
		io.WriteString(c, greeting)
		io.Copy(io.Discard, c)
	}))
	c := r.connect()
	<-asked
	r.server.Deny([]Denial{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}})
	close(greet)
	c.hearRest()
	r.expectEnd("killed")
}

// Pages of sessions are in order, meet all of them, and count them.
func TestListPages(t *testing.T) {
	const sessions = 7
	r := newRig(t, nil, newNode(t, echo))
	for range sessions {
		r.connect().hear(greeting)
	}
	eventually(t, "all sessions", func() bool { return len(r.list()) == sessions })
	var met []string
	for after := ""; ; {
		page, all := r.server.List(Filter{}, after, 3)
		if all != sessions {
			t.Fatalf("%d sessions in all, want %d", all, sessions)
		}
		if len(page) == 0 {
			break
		}
		for _, s := range page {
			met = append(met, s.ID)
		}
		after = page[len(page)-1].ID
	}
	if !slices.IsSorted(met) || len(slices.Compact(met)) != sessions {
		t.Errorf("the pages have %v", met)
	}
}

// Whoever is there all the time is found, whoever else comes and goes.
func TestRegistryFindsAllWhoStay(t *testing.T) {
	const stay, come = 3000, 5000
	var r registry
	staying := make(map[*session]bool)
	add := func() *session { s := new(session); r.add(s); return s }
	var going []*session
	for i := range stay + come {
		if s := add(); i%(stay+come) < stay {
			staying[s] = true
		} else {
			going = append(going, s)
		}
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for _, s := range going {
			r.remove(s)
			r.add(s)
		}
		for _, s := range going {
			r.remove(s)
		}
	}()
	for range 20 {
		found := r.some(func(s *session) bool { return true })
		met := make(map[*session]bool)
		for _, s := range found {
			if met[s] {
				t.Fatal("a session was found twice")
			}
			met[s] = true
		}
		for s := range staying {
			if !met[s] {
				t.Fatal("a session that was there all the time was not found")
			}
		}
	}
	<-done
}

// A session that has ended by itself is none to list, to kill or to wait for, however long the log takes to write it down.
func TestEndedIsNotCounted(t *testing.T) {
	asked, written := make(chan bool), make(chan bool)
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(nil, newNode(t, echo))}
	r.gather = func() func() {
		asked <- true
		<-written
		return func() {}
	}
	r.service = r.topology.Services[0]
	r.start()
	c := r.connect()
	c.hear(greeting)
	eventually(t, "the session has a node", func() bool { return len(r.list()) == 1 })
	c.Close()
	<-asked
	if rows, killed := r.list(), r.server.Kill(Filter{}); len(rows) != 0 || killed != 0 {
		t.Errorf("listed %v, killed %d", rows, killed)
	}
	node := routing.Subject{Node: "node-1"}
	if far := r.server.Drain(t.Context(), node, time.Hour, func(Drained) {}); far != (Drained{}) {
		t.Errorf("drained %+v", far)
	}
	written <- true
	r.expectEnd("client")
}

// A request that becomes a WebSocket during a drain is one session to it, which has not ended.
func TestDrainCountsWebSocketOnce(t *testing.T) {
	r, asked, answer := newUpgradeRig(t)
	c := r.connect()
	c.say(upgradeRequest)
	<-asked
	d := newDrain(r.server, routing.Subject{Node: "node-1"}, time.Hour)
	if got := d.progress(); got != (Drained{Sessions: 1, Open: 1}) {
		t.Errorf("with the request in flight: %+v", got)
	}
	close(answer)
	c.hearUpgrade()
	eventually(t, "the relay has it", func() bool { return len(r.server.live.relayed()) == 1 })
	if got := d.progress(); got != (Drained{Sessions: 1, Open: 1}) {
		t.Errorf("with the WebSocket: %+v", got)
	}
}
