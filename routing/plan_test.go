package routing

import (
	"math"
	"slices"
	"testing"

	"posthouse/config"
)

// planOf is what a change of a pool of imaps does to it, as the clients of region eu see it.
func planOf(t *testing.T, balance config.Balance, old, next []*config.Node) PoolPlan {
	t.Helper()
	services := []*config.Service{service("imaps", balance, 4)}
	regions := []string{"eu", "us"}
	p := NewPlan(topology(services, regions, old...), topology(services, regions, next...), nil)
	for _, pool := range p.Pools {
		if pool.Region == "eu" {
			return pool
		}
	}
	return PoolPlan{}
}

func with(nodes []*config.Node, change func(*config.Node)) []*config.Node {
	last := *nodes[len(nodes)-1]
	change(&last)
	return append(slices.Clone(nodes[:len(nodes)-1]), &last)
}

func TestPlanMoves(t *testing.T) {
	ten, eleven := nodes(10, "eu", "eu", "imaps"), nodes(11, "eu", "eu", "imaps")
	elsewhere := nodes(10, "us", "us", "imaps")
	for _, c := range []struct {
		what      string
		balance   config.Balance
		old, next []*config.Node
		nodes     Change
		move      float64 // within a point for those that were tried
	}{
		{"nothing", config.LeastSessions, ten, ten, Change{}, 0},
		{"nothing by hash", config.ClientHash, ten, ten, Change{}, 0},
		{"one comes", config.LeastSessions, ten, eleven, Change{10, 11}, 0},
		{"one comes by hash", config.ClientHash, ten, eleven, Change{10, 11}, 100.0 / 11},
		{"one comes by account", config.AccountHash, ten, eleven, Change{10, 11}, 100.0 / 11},
		{"one goes", config.LeastSessions, eleven, ten, Change{11, 10}, 100.0 / 11},
		{"one goes by hash", config.ClientHash, eleven, ten, Change{11, 10}, 100.0 / 11},
		{"one drains", config.RoundRobin, ten, with(ten, func(n *config.Node) { n.State = config.Drain }), Change{10, 9}, 10},
		{"one is disabled", config.Random, ten, with(ten, func(n *config.Node) { n.State = config.Disabled }), Change{10, 9}, 10},
		{"one goes to another region", config.LeastSessions, ten, with(ten, func(n *config.Node) { n.Region = "us" }), Change{10, 9}, 0},
		{"one gets another address", config.LeastSessions, ten, with(ten, func(n *config.Node) { n.Addresses = node("x", "eu").Addresses }), Change{10, 10}, 10},
		{"another weight", config.LeastSessions, ten, with(ten, func(n *config.Node) { n.Weight = 3 }), Change{10, 10}, 0},
		{"all go, others take over", config.LeastSessions, slices.Concat(ten, elsewhere), elsewhere, Change{10, 0}, 100},
		{"the last goes", config.LeastSessions, ten[:1], nil, Change{1, 0}, 100},
		{"the first comes", config.LeastSessions, nil, ten[:1], Change{0, 1}, 0},
		{"half of them drain already, by which the rest is passed on", config.LeastSessions,
			slices.Concat(elsewhere, ten[:4], []*config.Node{drained("d-1"), drained("d-2"), drained("d-3"), drained("d-4"), drained("d-5"), drained("d-6")}),
			slices.Concat(ten[:4], []*config.Node{drained("d-1"), drained("d-2"), drained("d-3"), drained("d-4"), drained("d-5"), drained("d-6")}),
			Change{4, 4}, 20}, // they kept 4 of 10 at min_healthy 0.5: 80 %
	} {
		p := planOf(t, c.balance, c.old, c.next)
		slack := 1e-9
		if p.Tried > 0 {
			slack = 1
		}
		if p.Nodes != c.nodes || math.Abs(p.Move-c.move) > slack {
			t.Errorf("%s by %s: %d -> %d nodes, %.2f %% move, want %d -> %d and %.2f %%",
				c.what, c.balance, p.Nodes.Before, p.Nodes.After, p.Move, c.nodes.Before, c.nodes.After, c.move)
		}
	}
}

func drained(name string) *config.Node {
	n := node(name, "eu", "imaps")
	n.State = config.Drain
	return n
}

// Regions that come and go are pools too.
func TestPlanRegions(t *testing.T) {
	services := []*config.Service{service("imaps", config.LeastSessions, 4)}
	eu, us := nodes(4, "eu", "eu", "imaps"), nodes(2, "us", "us", "imaps")
	one, two := topology(services, []string{"eu"}, eu...), topology(services, []string{"eu", "us"}, slices.Concat(eu, us)...)
	var told []float64
	p := NewPlan(two, one, func(done float64) { told = append(told, done) })
	if len(p.Pools) != 1 || p.Pools[0].Region != "us" || p.Pools[0].Move != 100 || p.Same != 1 || p.Most() != 100 {
		t.Errorf("us goes: %+v", p)
	}
	if len(told) != 2 || told[0] != 0 || told[1] != 0.5 {
		t.Errorf("progress was %v", told)
	}
	p = NewPlan(one, two, nil)
	if len(p.Pools) != 1 || p.Pools[0].Nodes != (Change{0, 2}) || p.Most() != 0 || !math.IsInf(p.Pools[0].Weight.Percent(), 1) {
		t.Errorf("us comes: %+v", p)
	}
	if !slices.Equal(p.Nodes.Added, []string{"us-1", "us-2"}) {
		t.Errorf("added are %v", p.Nodes.Added)
	}
}
