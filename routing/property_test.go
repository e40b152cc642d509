package routing

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"posthouse/config"
)

// world is a topology and a state, made at random, that the rules of routing must hold in.
type world struct {
	topology *config.Topology
	state    State
	allowed  map[string]bool // regions: the balancer's own and its failover, as an operator reads the file
}

func newWorld(random *rand.Rand) world {
	services := []*config.Service{service("imaps", pickOne(random, balances), 1+random.IntN(8)), service("smtp", pickOne(random, balances), 99)}
	services[0].SlowStart = time.Duration(random.IntN(3)) * time.Minute
	names := []string{"eu", "us", "ap", "af", "sa"}[:1+random.IntN(5)]
	w := world{topology: topology(services, names), state: State{Health: make(map[config.Target]config.Health), Now: start}}
	w.topology.MinHealthy = float64(random.IntN(5)) / 4
	for _, r := range w.topology.Regions {
		w.place(random, r)
	}
	w.failover(random, names)
	for i := range random.IntN(30) {
		w.add(random, fmt.Sprintf("node-%d", i), pickOne(random, names))
	}
	return w
}

func pickOne[T any](random *rand.Rand, all []T) T { return all[random.IntN(len(all))] }

func (w *world) place(random *rand.Rand, r *config.Region) {
	if random.IntN(4) > 0 {
		r.Location = &config.Location{Latitude: random.Float64()*180 - 90, Longitude: random.Float64()*360 - 180}
	}
	r.Reach = pickOne(random, []config.Reach{config.ReachNodes, config.ReachNodes, config.ReachBalancers, config.ReachNone})
	r.Addresses = []netip.Addr{client(random.IntN(1 << 20))}
	r.State = pickOne(random, []config.AdminState{config.Active, config.Active, config.Active, config.Drain, config.Disabled})
}

func (w *world) failover(random *rand.Rand, names []string) {
	own := w.topology.Regions[0]
	own.FailoverSet = random.IntN(2) == 0
	own.Failover = slices.Clone(names[1:])
	random.Shuffle(len(own.Failover), func(i, j int) { own.Failover[i], own.Failover[j] = own.Failover[j], own.Failover[i] })
	if own.FailoverSet {
		own.Failover = own.Failover[:random.IntN(len(own.Failover)+1)]
	}
	w.allowed = map[string]bool{own.Name: true}
	for _, name := range own.Failover {
		w.allowed[name] = true
	}
}

func (w *world) add(random *rand.Rand, name, region string) {
	n := node(name, region, pickOne(random, [][]string{{"imaps"}, {"imaps", "smtp"}, {"smtp"}})...)
	n.Weight = random.IntN(4)
	n.State = pickOne(random, []config.AdminState{config.Active, config.Active, config.Active, config.Active, config.Drain, config.Disabled})
	w.topology.Nodes = append(w.topology.Nodes, n)
	for _, s := range n.Services {
		state := config.HealthState(random.IntN(int(config.Recovering) + 1))
		recovered := start.Add(-time.Duration(random.IntN(180)) * time.Second)
		w.state.Health[config.Target{Node: name, Service: s}] = config.Health{State: state, Recovered: recovered}
	}
}

// turnOf is the phase of a backend as topology.md tells it, so that it does not share a mistake with phaseOf.
func turnOf(b *Backend) int {
	turn := 0
	if b.Node.Weight == 0 && !b.Node.Balancer {
		turn = 1
	}
	if b.Health.State == config.Down || b.Health.State == config.Recovering {
		turn += 2
	}
	return turn
}

func (w *world) may(b *Backend) bool {
	region := w.topology.RegionNamed(b.Node.Region)
	own := region.Name == w.topology.Region
	return w.allowed[region.Name] && b.Node.State == config.Active && region.State == config.Active &&
		(own || region.Reach == config.ReachNodes && !b.Node.Balancer || region.Reach == config.ReachBalancers && b.Node.Balancer)
}

// verify walks the candidates of a request and checks every rule on the way.
func (w *world) verify(table *Table, q Request) error {
	var want []int // the turn of every backend that may be chosen
	for _, b := range table.Backends() {
		if b.Service.Name == q.Service && w.may(b) {
			want = append(want, turnOf(b))
		}
	}
	slices.Sort(want)
	attempts := w.topology.Service(q.Service).Attempts
	want = want[:min(attempts, len(want))]
	seen := make(map[*Backend]bool)
	var got []int
	c := table.Route(q)
	for b := c.Next(); b != nil; b = c.Next() {
		switch {
		case seen[b]:
			return fmt.Errorf("%s comes twice", b.Node.Name)
		case !w.may(b):
			return fmt.Errorf("%s in %s may not be chosen", b.Node.Name, b.Node.Region)
		case b.Service.Name != q.Service:
			return fmt.Errorf("%s runs %s", b.Node.Name, b.Service.Name)
		}
		seen[b] = true
		got = append(got, turnOf(b))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("phases of the candidates are %v, want %v (attempts %d)", got, want, attempts)
	}
	return nil
}

// TestRules: the phases in their order, so that no node that is down comes first while one that is up exists; no
// region outside failover or out of reach; nothing drained or disabled; each backend once; never more than attempts.
func TestRules(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(random)
		table := NewTable(w.topology, w.state)
		for i := range 5 {
			for _, service := range []string{"imaps", "smtp"} {
				q := Request{Service: service, Client: client(random.IntN(1 << 20)), Account: []string{"", "a", "b"}[i%3]}
				if err := w.verify(table, q); err != nil {
					t.Fatalf("seed %d, %s by %s: %v", seed, service, w.topology.Service(service).Balance, err)
				}
			}
		}
	}
}

// Inside a phase the regions come in their order; only a session that spills begins elsewhere.
func TestRegionsInOrder(t *testing.T) {
	for seed := range uint64(1000) {
		w := newWorld(rand.New(rand.NewPCG(seed, 2)))
		w.topology.MinHealthy = 0
		order := regionOrder(w.topology)
		rank := func(b *Backend) int {
			at := slices.IndexFunc(order, func(r *config.Region) bool { return r.Name == b.Node.Region })
			return turnOf(b)*len(order) + at
		}
		c := NewTable(w.topology, w.state).Route(Request{Service: "smtp"})
		for last, b := 0, c.Next(); b != nil; b = c.Next() {
			if rank(b) < last {
				t.Fatalf("seed %d: %s in %s comes too late", seed, b.Node.Name, b.Node.Region)
			}
			last = rank(b)
		}
	}
}
