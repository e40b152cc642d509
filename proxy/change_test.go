package proxy

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

// apply is a reload.
func (r *rig) apply(t *config.Topology) {
	r.t.Helper()
	change, err := r.server.Prepare(t)
	if err != nil {
		r.t.Fatal(err)
	}
	r.server.Router.Publish(t)
	change.Commit()
}

// with is a copy of the topology with another list of services.
func with(t *config.Topology, services ...*config.Service) *config.Topology {
	next := *t
	next.Services = services
	return &next
}

func copyOf(s *config.Service, change func(*config.Service)) *config.Service {
	next := *s
	change(&next)
	return &next
}

func (r *rig) listening() int {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return len(r.server.listeners)
}

func TestReloadKeepsSessions(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	first := r.service
	c := r.connect()
	c.hear(greeting)
	at := r.address("imap")

	second := copyOf(first, func(s *config.Service) {
		s.Name, s.Listen = "other", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.2:0")}
	})
	for _, n := range r.topology.Nodes {
		n.Services = append(n.Services, "other")
		n.Ports["other"] = n.Ports["imap"]
	}
	r.apply(with(r.topology, first, second))
	if r.listening() != 2 || r.address("imap").String() != at.String() {
		t.Errorf("%d listeners, imap at %v, was at %v", r.listening(), r.address("imap"), at)
	}
	other, err := net.DialTCP("tcp4", nil, r.address("other"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	newPeer(t, other).hear(greeting)

	r.apply(with(r.topology, second))
	eventually(t, "imap is closed", func() bool {
		refused, err := net.DialTCP("tcp4", nil, at)
		if err == nil {
			refused.Close()
		}
		return err != nil
	})
	c.say("a NOOP\r\n")
	c.hear("a NOOP\r\n")
	if n := r.server.Sessions(); n != 2 {
		t.Errorf("%d sessions live, want 2", n)
	}
}

// The settings of a listener that stays are those of the new topology, for new sessions.
func TestReloadChangesSettings(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	c := r.connect()
	c.hear(greeting)
	r.apply(with(r.topology, copyOf(r.service, func(s *config.Service) {
		s.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})))
	c.say("x")
	c.hear("x")
	late := r.connect()
	late.hear("* BYE [LIMIT] connection not accepted, try again later\r\n")
	late.hearEnd()
}

func TestPrepareThatFails(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := newRig(t, nil, newNode(t, echo))
	broken := copyOf(r.service, func(s *config.Service) {
		s.Name = "broken"
		s.Listen = []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.4:0"), netip.MustParseAddrPort(taken.Addr().String()), netip.MustParseAddrPort("192.0.2.1:993"),
		}
	})
	previous := r.server.Router.Table()
	r.apply(r.topology)
	_, err = r.server.Prepare(with(r.topology, r.service, broken))
	for _, part := range []string{taken.Addr().String(), "address already in use", "ss -ltnp", "192.0.2.1:993", "freebind: true"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Prepare = %v, want %q in it", err, part)
		}
	}
	if r.listening() != 1 {
		t.Errorf("%d listeners after a Prepare that failed", r.listening())
	}
	if r.server.previous.Load() != previous {
		t.Error("sessions that began before the last change do not know their table any more")
	}
	r.connect().hear(greeting)
}

func TestAbort(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	before := r.address("imap").String()
	change, err := r.server.Prepare(with(r.topology, copyOf(r.service, func(s *config.Service) {
		s.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.2:0")}
	})))
	if err != nil {
		t.Fatal(err)
	}
	var fresh string
	for _, l := range change.fresh {
		fresh = l.socket.Addr().String()
	}
	change.Abort()
	if c, err := net.Dial("tcp4", fresh); err == nil {
		c.Close()
		t.Error("what was aborted still listens")
	}
	if r.address("imap").String() != before {
		t.Error("Abort changed a listener")
	}
	r.connect().hear(greeting)
}

// The table of a reload is there before the listeners take its settings. A session that began in between does not take what it
// speaks to nodes that expect something else now, but goes where the table before would have sent it; what it can take of the new
// settings it does.
func TestSessionBetweenTwoTables(t *testing.T) {
	rows := []struct {
		name   string
		change func(*config.Service)
		failed any
	}{
		{"protocol", func(s *config.Service) { s.Protocol = config.POP3 }, "imap:changed"},
		{"tls", func(s *config.Service) { s.TLS = config.Reencrypt }, "imap:changed"},
		{"gone", func(s *config.Service) { s.Name = "other" }, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			node := newNode(t, echo)
			r := newRig(t, nil, node)
			before := r.server.Router.Table()
			r.server.Router.Publish(with(r.topology, copyOf(r.service, row.change)))
			r.server.previous.Store(nil) // nothing is known of what was before
			c := r.connect()
			c.hear("* BYE [UNAVAILABLE] no server available, try again later\r\n")
			c.hearEnd()
			if line := r.expectEnd("no-node"); line["failed"] != row.failed {
				t.Errorf("session log: %v", line)
			}
			if node.accepted() != 0 {
				t.Error("the node was dialled")
			}
			for _, b := range r.server.Router.Table().Backends() {
				if n := b.Sessions(); n != 0 {
					t.Errorf("%s is left with %d sessions", b.Node.Name, n)
				}
			}
			r.server.previous.Store(before)
			r.connect().hear(greeting)
		})
	}
	t.Run("what may change", func(t *testing.T) {
		r := newRig(t, nil, newNode(t, echo))
		r.server.Router.Publish(with(r.topology, copyOf(r.service, func(s *config.Service) { s.Timeouts.Idle = 100 * time.Millisecond })))
		c := r.connect()
		c.hear(greeting)
		c.hearEnd()
		r.expectEnd("idle")
	})
}

// A change from one address to all addresses of a port has to be made in two steps, and the error says so.
func TestOwnPort(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	port := uint16(r.address("imap").Port)
	r.apply(with(r.topology, copyOf(r.service, func(s *config.Service) {
		s.Name, s.Listen = "imap", []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.5"), port)}
	})))
	_, err := r.server.Prepare(with(r.topology, copyOf(r.service, func(s *config.Service) {
		s.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, port)}
	})))
	if err == nil || !strings.Contains(err.Error(), "our own listener on 127.0.0.5:") {
		t.Errorf("Prepare = %v", err)
	}
}

// Another process's listener on the same port of another address is not taken for ours.
func TestPortOfAnother(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	taken, err := net.Listen("tcp4", "127.0.0.6:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := netip.MustParseAddrPort(taken.Addr().String())
	listenAt := func(addresses ...string) *config.Topology {
		return with(r.topology, copyOf(r.service, func(s *config.Service) {
			s.Listen = nil
			for _, a := range addresses {
				s.Listen = append(s.Listen, netip.AddrPortFrom(netip.MustParseAddr(a), at.Port()))
			}
		}))
	}
	r.apply(listenAt("127.0.0.5"))
	_, err = r.server.Prepare(listenAt("127.0.0.5", "127.0.0.6"))
	if err == nil || strings.Contains(err.Error(), "our own") || !strings.Contains(err.Error(), "ss -ltnp") {
		t.Errorf("Prepare = %v, want it to look for another process", err)
	}
}

// A second process on the same address is refused, even one that would share it.
func TestSecondProcess(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	at := netip.MustParseAddrPort(r.address("imap").String())
	for _, freebind := range []bool{false, true} {
		if l, err := bind(at, freebind); err == nil {
			l.Close()
			t.Errorf("bound twice, freebind %v", freebind)
		}
	}
	if err := sharingBind(at); err == nil {
		t.Error("SO_REUSEPORT got it")
	}
}
