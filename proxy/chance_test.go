package proxy

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

// Each node's time, as a table of walks in which every node is silent.
func TestUntil(t *testing.T) {
	const s = time.Second
	usual := config.Timeouts{Connect: 3 * s, Greeting: 10 * s}
	rows := []struct {
		name     string
		timeouts config.Timeouts
		check    time.Duration
		attempts int
		ends     []time.Duration // of each node's time, from the start
	}{
		{"as usual", usual, 3 * s, 4, []time.Duration{10 * s, 15 * s, 18 * s, 20 * s}},
		{"one attempt", usual, 3 * s, 1, []time.Duration{10 * s}},
		{"two attempts", usual, 3 * s, 2, []time.Duration{10 * s, 20 * s}},
		{"a slow check", usual, 8 * s, 4, []time.Duration{10 * s, 18 * s, 20 * s}},
		{"a check that takes longer than all", usual, 60 * s, 4, []time.Duration{10 * s, 20 * s}},
		{"connecting may take longer", config.Timeouts{Connect: 6 * s, Greeting: 2 * s}, 4 * s, 4, []time.Duration{2 * s, 4 * s, 6 * s, 8 * s}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			service := &config.Service{Timeouts: row.timeouts, Attempts: row.attempts, Check: config.Check{Timeout: row.check}}
			start := time.Now()
			w := &walk{end: start.Add(longest(row.timeouts))}
			now := start
			for i, want := range row.ends {
				until := w.until(service, now)
				if until.After(w.end) {
					t.Errorf("node %d has until %v, after the walk's end", i+1, until.Sub(start))
				}
				if own := now.Add(row.timeouts.Greeting); own.Before(until) {
					until = own
				}
				if got := until.Sub(start); got != want {
					t.Fatalf("node %d has until %v, want %v", i+1, got, want)
				}
				w.silent, now = true, until
				w.tried++
			}
			if len(row.ends) < row.attempts && now.Before(w.end) {
				t.Errorf("there is time for a node after the last: it is %v", now.Sub(start))
			}
		})
	}
}

// When every node is silent and there is no hedge, a client hears our words after the time of two nodes, not of all four.
func TestEveryNodeIsSilent(t *testing.T) {
	const greeting = 1500 * time.Millisecond
	r := newRig(t, func(s *config.Service) {
		s.Protocol = config.SMTP
		s.Timeouts.Greeting, s.Timeouts.Connect = greeting, greeting
	}, newNode(t, mute), newNode(t, mute), newNode(t, mute), newNode(t, mute))
	began := time.Now()
	c := r.connect()
	c.hear("421 4.3.2 mail.example.org no server available, try again later\r\n")
	if took := time.Since(began); took > 4*greeting-greeting/4 {
		t.Errorf("our words came after %v, want twice %v", took, greeting)
	}
	c.hearEnd()
	line := r.expectEnd("no-node") // a busy machine may leave the last ones no time
	if failed := line["failed"].(string); !strings.HasPrefix("node-1:silent node-2:silent node-3:silent node-4:silent", failed) {
		t.Errorf("session log: %v", line)
	}
}

// A node for which there is no time left is not asked, and nobody suspects it.
func TestNoTimeForMore(t *testing.T) {
	third := newNode(t, echo)
	r := newRig(t, func(s *config.Service) {
		s.Timeouts.Greeting, s.Timeouts.Connect = 300*time.Millisecond, 300*time.Millisecond
		s.Check.Timeout = time.Minute
	}, newNode(t, mute), newNode(t, mute), third)
	c := r.connect()
	c.hear("* BYE [UNAVAILABLE]")
	line, suspects := r.expectEnd("no-node"), []string{"node-1", "node-2"}
	if line["tries"] == 1.0 { // a busy machine left the second one no time either
		suspects = suspects[:1]
	}
	if want := strings.Join(suspects, ":silent ") + ":silent"; line["failed"] != want {
		t.Errorf("session log: %v, want failed: %s", line, want)
	}
	if got := r.suspects(); third.accepted() != 0 || !slices.Equal(got, suspects) {
		t.Errorf("suspects = %v, and node-3 was asked %d times", got, third.accepted())
	}
}

// After a silent node there is time for those that fail at once, and for one that greets.
func TestSilenceAndFailures(t *testing.T) {
	r := newRig(t, nil, newNode(t, mute), refusing(t), newNode(t, hangsUp), newNode(t, echo))
	c := r.connect()
	c.hear(greeting)
	c.Close()
	if line := r.expectEnd("client"); line["node"] != "node-4" || line["failed"] != "node-1:silent node-2:refused node-3:closed" {
		t.Errorf("session log: %v", line)
	}
}

// A hedge that is due before the first look at the client does not wait for the look.
func TestHedgeBeforeLook(t *testing.T) {
	r := newRig(t, hedge(10*time.Millisecond), newNode(t, mute), newNode(t, echo))
	s := r.sessionAlone()
	w := newWalk(s, r.server.Router.Table())
	w.look = time.Hour
	a, why := w.run()
	if a == nil || a.backend.Node.Name != "node-2" || !w.hedged {
		t.Fatalf("run = %v, %v", a, why)
	}
	a.leave()
}

// sessionAlone is a session that nobody serves.
func (r *rig) sessionAlone() *session {
	r.t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		r.t.Fatal(err)
	}
	defer l.Close()
	far, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { far.Close() })
	near, err := l.AcceptTCP()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { near.Close() })
	return newSession(r.server, near, r.front())
}

// front is that of the only listener.
func (r *rig) front() *front {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for _, l := range r.server.listeners {
		return l.front.Load()
	}
	r.t.Fatal("nobody listens")
	return nil
}

// A session lets go of how its client came as soon as it has its node. Who is dialled in vain at that moment still hears it right.
func TestLosersKnowTheClient(t *testing.T) {
	r := newRig(t, func(s *config.Service) { s.Proxy = config.ProxyV1 }, newNode(t, echo))
	s := r.sessionAlone()
	s.source, s.destination = netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("192.0.2.2:143")
	w := newWalk(s, r.server.Router.Table())
	defer w.cancel()
	s.approach = direct
	if got, want := string(s.opening(&w.approach, w.candidates.Next())), "PROXY TCP4 192.0.2.1 192.0.2.2 5000 143\r\n"; got != want {
		t.Errorf("a loser would hear %q, want %q", got, want)
	}
}
