package routing

import (
	"math"
	"net/netip"
	"slices"
	"testing"

	"posthouse/config"
)

const choices = 100_000

// shares is the part of the choices that each node gets; sessions stay open.
func shares(t *Table, n int, open bool) map[string]float64 {
	got := make(map[string]float64)
	for i := range n {
		c := t.Route(request(i))
		b := c.Next()
		if open {
			b.Begin()
		}
		got[b.Node.Name] += 1 / float64(n)
	}
	return got
}

func TestSharesFollowWeights(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
	}{
		{"even", []int{1, 1, 1, 1, 1, 1, 1, 1}},
		{"mixed", []int{1, 2, 4, 1, 2, 4, 8, 3}},
		{"one heavy", []int{1, 1, 1, 1, 1, 1, 1, 100}},
		{"one light", []int{100, 100, 100, 100, 100, 100, 100, 1}},
		{"odd", []int{7, 13, 17, 19, 23, 29, 31, 37}},
		{"huge", []int{1000000, 500000, 250000, 125000, 62500, 31250, 15625, 7812}},
	}
	for _, test := range tests {
		for _, balance := range balances {
			for _, open := range []bool{true, false} {
				all := weighted(nodes(8, "eu", "eu", "imaps"), test.weights...)
				got := shares(NewTable(one(balance, 4, all...), State{}), choices, open)
				sum := 0
				for _, w := range test.weights {
					sum += w
				}
				for _, n := range all {
					if want := float64(n.Weight) / float64(sum); math.Abs(got[n.Name]-want) > 0.02 {
						t.Errorf("%s, %s, sessions stay %v: share of %s (weight %d) = %.3f, want %.3f",
							test.name, balance, open, n.Name, n.Weight, got[n.Name], want)
					}
				}
			}
		}
	}
}

// The weight by service counts for its service only.
func TestWeightsByService(t *testing.T) {
	all := nodes(2, "eu", "eu", "imaps", "sieve")
	all[0].Weights = map[string]int{"imaps": 4}
	top := topology([]*config.Service{service("imaps", config.Random, 4), service("sieve", config.Random, 4)}, []string{"eu"}, all...)
	for name, want := range map[string]float64{"imaps": 0.8, "sieve": 0.5} {
		table, got := NewTable(top, State{}), 0.0
		for range choices {
			c := table.Route(Request{Service: name})
			if c.Next().Node.Name == "eu-1" {
				got += 1.0 / choices
			}
		}
		if math.Abs(got-want) > 0.02 {
			t.Errorf("share of eu-1 in %s = %.3f, want %.1f", name, got, want)
		}
	}
}

// Least-sessions evens out what came about otherwise: a node with many sessions gets none until the others have caught up.
func TestLeastSessionsCatchesUp(t *testing.T) {
	all := weighted(nodes(4, "eu", "eu", "imaps"), 1, 1, 2, 4)
	table := NewTable(one(config.LeastSessions, 4, all...), State{})
	for range 1000 {
		table.Backends()[0].Begin()
	}
	for i := range 7000 {
		c := table.Route(request(i))
		c.Next().Begin()
	}
	for i, want := range []int64{1000, 1000, 2000, 4000} {
		if got := table.Backends()[i].Sessions(); math.Abs(float64(got-want)) > 0.02*float64(want)+5 {
			t.Errorf("sessions of %s = %d, want about %d", all[i].Name, got, want)
		}
	}
}

// Sessions of one service do not steer another.
func TestLeastSessionsCountsItsService(t *testing.T) {
	top := topology([]*config.Service{service("imaps", config.LeastSessions, 4), service("smtp", config.LeastSessions, 4)},
		[]string{"eu"}, nodes(2, "eu", "eu", "imaps", "smtp")...)
	table := NewTable(top, State{})
	for range 10000 {
		table.Backends()[0].Begin()
	}
	got := 0
	for range 1000 {
		c := table.Route(Request{Service: "smtp"})
		b := c.Next()
		b.Begin()
		if b.Node.Name == "eu-1" {
			got++
		}
	}
	if got < 480 || got > 520 {
		t.Errorf("eu-1, idle in smtp but busy in imaps, got %d of 1000 smtp sessions", got)
	}
}

func TestRoundRobin(t *testing.T) {
	tests := []struct {
		weights []int
		period  int
	}{{[]int{1, 1, 1}, 3}, {[]int{5, 1, 1}, 7}, {[]int{2, 4, 6}, 6}, {[]int{10, 10, 10}, 3}, {[]int{3, 7, 11}, 21}}
	for _, test := range tests {
		table := NewTable(one(config.RoundRobin, 4, weighted(nodes(3, "eu", "eu", "imaps"), test.weights...)...), State{})
		for period := range 3 {
			got := make(map[string]int)
			for range test.period {
				c := table.Route(request(1))
				got[c.Next().Node.Name]++
			}
			for _, b := range table.Backends() {
				want := b.Node.Weight * test.period / (test.weights[0] + test.weights[1] + test.weights[2])
				if got[b.Node.Name] != want {
					t.Errorf("weights %v, period %d: %s got %d turns, want %d", test.weights, period, b.Node.Name, got[b.Node.Name], want)
				}
			}
		}
	}
}

// A heavy node's turns are spread, not bunched: never two light ones between them where they are the half.
func TestRoundRobinIsSmooth(t *testing.T) {
	table := NewTable(one(config.RoundRobin, 4, weighted(nodes(9, "eu", "eu", "imaps"), 8, 1, 1, 1, 1, 1, 1, 1, 1)...), State{})
	run := 0
	for range 160 {
		c := table.Route(request(1))
		if c.Next().Node.Name == "eu-1" {
			run = 0
		} else if run++; run > 2 {
			t.Fatalf("eu-1 has half of the weight and %d others came in a row", run)
		}
	}
}

// The cursor survives the table, or a cluster whose health changes often would always begin at the same node.
func TestRoundRobinGoesOn(t *testing.T) {
	var counters Counters
	top := one(config.RoundRobin, 4, nodes(4, "eu", "eu", "imaps")...)
	var got []string
	for range 4 {
		c := NewTable(top, State{Counters: &counters}).Route(request(1))
		got = append(got, c.Next().Node.Name)
	}
	if want := []string{"eu-1", "eu-2", "eu-3", "eu-4"}; !slices.Equal(got, want) {
		t.Errorf("first choices of four tables = %v, want %v", got, want)
	}
}

func TestFullNodesArePassedOver(t *testing.T) {
	for _, balance := range balances {
		all := nodes(40, "eu", "eu", "imaps", "sieve")
		for _, n := range all[:39] {
			n.MaxSessions = 2
		}
		top := topology([]*config.Service{service("imaps", balance, 4), service("sieve", balance, 4)}, []string{"eu"}, all...)
		table := NewTable(top, State{})
		for i, b := range table.Backends()[:78] { // one session of each service: the sum counts
			if i%40 < 39 && !b.Begin() {
				t.Fatalf("%s: %s is full too early", balance, b.Node.Name)
			}
		}
		for _, b := range table.Backends()[40:79] {
			if b.Sessions() == 0 {
				b.Begin()
			}
		}
		for i := range 1000 {
			c := table.Route(request(i))
			if b := c.Next(); b == nil || b.Node.Name != "eu-40" {
				t.Fatalf("%s: Route with all but eu-40 full = %v, want eu-40", balance, b)
			} else if c.Next() != nil {
				t.Fatalf("%s: Route returned a full node", balance)
			}
		}
	}
}

func TestFirstChoiceAllocatesNothing(t *testing.T) {
	for _, balance := range balances {
		table := NewTable(one(balance, 8, weighted(nodes(64, "eu", "eu", "imaps"), 1, 2, 3)...), State{})
		q := Request{Service: "imaps", Client: netip.MustParseAddr("2001:db8::1"), Account: "a@example.org"}
		if n := testing.AllocsPerRun(100, func() {
			for c := table.Route(q); ; {
				if chosen = c.Next(); chosen == nil {
					return
				}
			}
		}); n != 0 {
			t.Errorf("%s: a walk of 8 candidates allocates %v times", balance, n)
		}
	}
}
