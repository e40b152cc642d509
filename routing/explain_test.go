package routing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestExplainIsRoute compares 10,000 random requests to random worlds. By hash Explain names the very candidates
// that Route gives, by turns the same first one; where chance decides they are in the same regions, in the same order.
func TestExplainIsRoute(t *testing.T) {
	const worlds, requests = 1000, 10
	exact, spilled := 0, 0
	for seed := range uint64(worlds) {
		random := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(random)
		one, two := NewTable(w.topology, w.state), NewTable(w.topology, w.state) // each has turns of its own
		for i := range requests {
			q := Request{
				Service: pickOne(random, []string{"imaps", "smtp"}), Client: client(random.IntN(1 << 20)),
				Account: pickOne(random, []string{"", "a", "b"}), Relayed: i == 0,
			}
			e := Explain(one, q)
			if err := w.verifyNames(one, q, e); err != nil {
				t.Fatalf("seed %d, request %d: %v", seed, i, err)
			}
			p := two.pools[two.layout.services[q.Service]]
			if p.spill != nil && !p.ordering.hashes() {
				spilled++ // either walk may be the one that goes on
				continue
			}
			var names, regions []string
			c := two.Route(q)
			for b := c.Next(); b != nil; b = c.Next() {
				names, regions = append(names, b.Node.Name), append(regions, b.Node.Region)
			}
			if got := e.in(func(c Candidate) string { return c.Region }); !slices.Equal(got, regions) {
				t.Fatalf("seed %d, %s by %s: Explain asks in %v, Route in %v", seed, q.Service, p.service.Balance, got, regions)
			}
			switch {
			case p.ordering.hashes():
				exact++
			case p.ordering == byTurn && i == 0: // later ones are drawn at random where six turns find nobody new
				names, e.Candidates = names[:min(1, len(names))], e.Candidates[:min(1, len(e.Candidates))]
			default:
				continue
			}
			if got := e.in(func(c Candidate) string { return c.Node }); !slices.Equal(got, names) {
				t.Fatalf("seed %d, %s by %s: Explain names %v, Route gives %v", seed, q.Service, p.service.Balance, got, names)
			}
		}
	}
	if exact < 2000 || spilled == 0 {
		t.Errorf("%d exact comparisons and %d sessions of weak regions: the worlds are too tame", exact, spilled)
	}
}

func (e *Explanation) in(of func(Candidate) string) []string {
	var all []string
	for _, c := range e.Candidates {
		all = append(all, of(c))
	}
	return all
}

// verifyNames holds what is told about the candidates against the world.
func (w *world) verifyNames(table *Table, q Request, e Explanation) error {
	for _, c := range e.Candidates {
		i := slices.IndexFunc(table.Backends(), func(b *Backend) bool { return b.Node.Name == c.Node && b.Service.Name == q.Service })
		switch {
		case i < 0:
			return fmt.Errorf("%s is no node of %s", c.Node, q.Service)
		case !w.may(table.Backends()[i]):
			return fmt.Errorf("%s may not be chosen", c.Node)
		case c.Of < 1 || c.Chance <= 0 || c.Chance > 1:
			return fmt.Errorf("%s is one of %d with a chance of %v", c.Node, c.Of, c.Chance)
		case !strings.Contains(c.Why, c.Region):
			return fmt.Errorf("%s in %s because it is %s", c.Node, c.Region, c.Why)
		}
	}
	return nil
}

func TestExplainSteps(t *testing.T) {
	three := func() world {
		w := world{topology: topology(one("client-hash", 2).Services, []string{"eu", "us", "ap"})}
		w.topology.Nodes = slices.Concat(nodes(4, "eu", "eu", "imaps"), nodes(2, "us", "us", "imaps"))
		return w
	}
	for _, c := range []struct {
		what   string
		change func(*world)
		want   string // a step
	}{
		{"own region", func(*world) {}, "regions: asked in this order: eu (its own), us, ap"},
		{"enough", func(*world) {}, "region: eu has 4 of its weight 4 healthy for imaps, min_healthy is 0.5: it keeps all sessions"},
		{"weak", func(w *world) { w.state.Health = down("eu-1", "eu-2", "eu-3") },
			"region: eu has 1 of its weight 4 healthy for imaps, below min_healthy 0.5: it keeps 50 % of the sessions, the others go to us; by the hash of the client this one stays"},
		{"weak everywhere", func(w *world) {
			w.state.Health = down("eu-1", "eu-2", "eu-3", "us-1", "us-2")
		}, "region: eu has 1 of its weight 4 healthy for imaps, below min_healthy 0.5; no other region is above it, so all sessions stay"},
		{"stands elsewhere", func(w *world) { w.topology.Region = "ap" }, "region: ap has no imaps"},
		{"residency", func(w *world) { w.topology.Regions[0].FailoverSet = true },
			"regions: asked in this order: eu (its own); not asked: us (not in failover of eu), ap (not in failover of eu)"},
		{"a drained region", func(w *world) { w.topology.Regions[1].State = 1 }, "regions: asked in this order: eu (its own), ap; not asked: us (drain)"},
		{"a drained node", func(w *world) { w.topology.Nodes[1].State = 1 }, "nodes: left out: eu-2 (drain)"},
		{"many drained nodes", func(w *world) {
			for _, n := range w.topology.Nodes[:4] {
				n.State = 2
			}
		}, "nodes: left out: eu-1, eu-2, eu-3 and 1 more (disabled)"},
		{"attempts", func(*world) {}, "end: attempts is 2: after them the client hears words of ours"},
		{"nobody", func(w *world) { w.topology.Nodes = nil }, "end: no node takes it: the client hears so in words of ours"},
		{"balance", func(*world) {}, "balance: client-hash: the node with the largest claim on the client, by weighted rendezvous hashing"},
	} {
		w := three()
		c.change(&w)
		e := Explain(NewTable(w.topology, w.state), request(1))
		var steps []string
		for _, s := range e.Steps {
			steps = append(steps, s.About+": "+s.Says)
		}
		if !slices.Contains(steps, c.want) {
			t.Errorf("%s: %s\nwant %s", c.what, strings.Join(steps, "\n"), c.want)
		}
	}
}

// An unknown service has one step, and a client that is known to go on is told where it went.
func TestExplainOddities(t *testing.T) {
	w := topology(one("client-hash", 4).Services, []string{"eu", "us"}, slices.Concat(nodes(4, "eu", "eu", "imaps"), nodes(4, "us", "us", "imaps"))...)
	table := NewTable(w, State{Health: down("eu-1", "eu-2", "eu-3", "eu-4")})
	e := Explain(table, request(5))
	if got := e.Candidates[0]; got.Region != "us" || got.Why != "up in us, where this session was passed on to" {
		t.Errorf("with eu down the first candidate is %+v", got)
	}
	if e := Explain(table, Request{Service: "gopher"}); len(e.Candidates) > 0 || len(e.Steps) != 1 {
		t.Errorf("an unknown service: %+v", e)
	}
}
