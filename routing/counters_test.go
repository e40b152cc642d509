package routing

import (
	"fmt"
	"net/netip"
	"testing"

	"posthouse/config"
)

// first is the first backend of a table, as a session holds it.
func first(t *testing.T, table *Table) *Backend {
	t.Helper()
	c := table.Route(request(1))
	b := c.Next()
	if b == nil {
		t.Fatal("Route = nothing")
	}
	return b
}

func TestSessionsSurviveReloads(t *testing.T) {
	top := one(config.LeastSessions, 4, node("eu-1", "eu", "imaps"))
	r := NewRouter(top, noLog)
	held := first(t, r.Table())
	held.Begin()
	other := one(config.LeastSessions, 4, node("eu-2", "eu", "imaps"))
	steps := []struct {
		name string
		top  *config.Topology
		want int64 // sessions of the first node
	}{
		{"the same again", one(config.LeastSessions, 4, node("eu-1", "eu", "imaps")), 1},
		{"another balance", one(config.ClientHash, 4, node("eu-1", "eu", "imaps")), 1},
		{"gone", other, 0},
		{"still gone", other, 0},
		{"and still", other, 0},
		{"back", top, 1},
	}
	for _, step := range steps {
		r.Publish(step.top)
		if got := first(t, r.Table()).Sessions(); got != step.want {
			t.Errorf("%s: sessions of %s = %d, want %d", step.name, first(t, r.Table()).Node.Name, got, step.want)
		}
	}
	held.End()
	if got := first(t, r.Table()).Sessions(); got != 0 {
		t.Errorf("sessions after End on a backend of the first table = %d, want 0", got)
	}
}

// Another machine under an old name has none of its sessions.
func TestAnotherMachineStartsAtNone(t *testing.T) {
	moved, elsewhere := node("eu-1", "eu", "imaps"), node("eu-1", "eu", "imaps")
	moved.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.99")}
	elsewhere.Ports = map[string]uint16{"imaps": 10993}
	for _, n := range []*config.Node{moved, elsewhere} {
		r := NewRouter(one(config.LeastSessions, 4, node("eu-1", "eu", "imaps")), noLog)
		first(t, r.Table()).Begin()
		r.Publish(one(config.LeastSessions, 4, n))
		if got := first(t, r.Table()).Sessions(); got != 0 {
			t.Errorf("sessions at %v, new under its name, = %d, want 0", first(t, r.Table()).Addrs, got)
		}
	}
}

// Ten thousand reloads that each bring another node leave nothing behind, but for the one that a session is on.
func TestReloadsLeaveNothing(t *testing.T) {
	r := NewRouter(one(config.LeastSessions, 4, node("held", "eu", "imaps")), noLog)
	held := first(t, r.Table())
	held.Begin()
	for i := range 10_000 {
		n := node(fmt.Sprint("node-", i), "eu", "imaps")
		n.Host, n.Addresses = fmt.Sprintf("node-%d.example.org", i), nil
		top := one(config.LeastSessions, 4, n)
		top.Regions[0].Name, top.Region, n.Region = fmt.Sprint("region-", i), fmt.Sprint("region-", i), fmt.Sprint("region-", i)
		r.Publish(top)
		r.SetAddresses(n.Name, []netip.Addr{client(i)})
		r.Flush()
		b := first(t, r.Table())
		b.Begin()
		b.End()
	}
	if n, c, a := len(r.counters.nodes), len(r.counters.cursors), len(r.addresses); n > 3 || c > 2 || a > 1 {
		t.Errorf("after 10,000 reloads: counters of %d nodes, %d cursors, addresses of %d names, want 3, 2 and 1 at most", n, c, a)
	}
	held.End()
	for range 2 {
		r.Publish(one(config.LeastSessions, 4, node("eu-1", "eu", "imaps")))
	}
	if n := len(r.counters.nodes); n > 2 {
		t.Errorf("after the last session: counters of %d nodes, want 2 at most", n)
	}
}

// Services that come and go on a node that stays leave nothing either.
func TestServicesLeaveNothing(t *testing.T) {
	r := NewRouter(one(config.LeastSessions, 4, node("eu-1", "eu", "imaps")), noLog)
	for i := range 100 {
		n := node("eu-1", "eu", "imaps")
		n.Ports = map[string]uint16{"imaps": uint16(10000 + i)}
		r.Publish(one(config.LeastSessions, 4, n))
	}
	for _, n := range r.counters.nodes {
		if len(n.services) > 2 {
			t.Errorf("counters of %d services on eu-1, want 2 at most", len(n.services))
		}
	}
}
