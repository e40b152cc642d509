package routing

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"

	"posthouse/config"
)

// Plan is what a change of the topology does to its sessions. No node is asked: all count as up.
type Plan struct {
	Nodes    config.Differences `json:"nodes"`
	Services config.Differences `json:"services"`
	Pools    []PoolPlan         `json:"pools"`          // those in which anything changes
	Same     int                `json:"same"`           // pools in which nothing does
	Held     []string           `json:"held,omitempty"` // why a running balancer would refuse it: max_shrink
}

// PoolPlan is what a change does to a service in a region: to the nodes there, and to the sessions of the clients there.
type PoolPlan struct {
	Service string  `json:"service"`
	Region  string  `json:"region"`
	Nodes   Change  `json:"nodes"`  // that take sessions
	Weight  Change  `json:"weight"` // of those nodes
	Move    float64 `json:"move"`   // per cent of the sessions that go to another node
	Tried   int     `json:"tried"`  // clients that Move was found with; 0: it is estimated by the weights of nodes that leave
}

// Change is a number before and after.
type Change struct {
	Before int `json:"before"`
	After  int `json:"after"`
}

// Percent is by how much it grows, infinite from nothing.
func (c Change) Percent() float64 {
	switch {
	case c.Before == c.After:
		return 0
	case c.Before == 0:
		return math.Inf(1)
	}
	return 100 * float64(c.After-c.Before) / float64(c.Before)
}

// Most is the largest part of any pool's sessions that move, in per cent.
func (p Plan) Most() (most float64) {
	for _, pool := range p.Pools {
		most = max(most, pool.Move)
	}
	return most
}

// NewPlan compares two topologies. Each region's clients are routed by a balancer that stands there. progress, which
// may be nil, is told how much is done, from 0 to 1.
func NewPlan(old, next *config.Topology, progress func(float64)) Plan {
	p := Plan{Nodes: config.CompareNodes(old, next), Services: config.CompareServices(old, next), Held: config.Shrink(old, next)}
	regions := names(old.Regions, next.Regions, func(r *config.Region) string { return r.Name })
	services := names(old.Services, next.Services, func(s *config.Service) string { return s.Name })
	for i, region := range regions {
		before, after := tableIn(old, region), tableIn(next, region)
		for j, service := range services {
			if progress != nil {
				progress(float64(i*len(services)+j) / float64(len(regions)*len(services)))
			}
			p.add(comparePool(before, after, service, region))
		}
	}
	return p
}

func (p *Plan) add(pool PoolPlan) {
	switch {
	case pool.Nodes.Percent() != 0 || pool.Weight.Percent() != 0 || pool.Move > 0:
		p.Pools = append(p.Pools, pool)
	case pool.Nodes.Before > 0:
		p.Same++
	}
}

// names is those of two lists, each once.
func names[T any](a, b []T, name func(T) string) []string {
	var all []string
	for _, x := range slices.Concat(a, b) {
		if n := name(x); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// tableIn is the table of a balancer that stands in a region; nil if the topology has no such region.
func tableIn(t *config.Topology, region string) *Table {
	if t.RegionNamed(region) == nil {
		return nil
	}
	there := *t
	there.Region = region
	return NewTable(&there, State{})
}

func comparePool(before, after *Table, service, region string) PoolPlan {
	p := PoolPlan{Service: service, Region: region}
	p.Nodes.Before, p.Weight.Before = before.capacity(service, region)
	p.Nodes.After, p.Weight.After = after.capacity(service, region)
	old, next := before.poolOf(service), after.poolOf(service)
	switch {
	case old == nil || old.empty():
	case next == nil || next.empty():
		p.Move = 100
	case old.ordering.hashes() && next.ordering.hashes():
		p.Tried = sampled
		p.Move = moved(before, after, service)
	default:
		p.Move = leaving(old, next)
	}
	return p
}

// capacity is how many nodes of a region take sessions of a service, and what they weigh.
func (t *Table) capacity(service, region string) (nodes, weight int) {
	if t == nil {
		return 0, 0
	}
	for _, n := range t.Topology().Nodes {
		if n.Region == region && n.Runs(service) && n.State == config.Active && t.Topology().RegionNamed(region).State == config.Active {
			nodes++
			weight += n.WeightFor(service)
		}
	}
	return nodes, weight
}

func (t *Table) poolOf(service string) *pool {
	if t == nil {
		return nil
	}
	if i, known := t.layout.services[service]; known {
		return t.pools[i]
	}
	return nil
}

func (p *pool) empty() bool {
	return !slices.ContainsFunc(p.groups[:], func(groups []*group) bool { return len(groups) > 0 })
}

// sampled is how many clients are tried: of half of them that move, 0.5 % are told too many or too few.
const sampled = 10_000

// moved is how many of the clients find another node, in per cent.
func moved(before, after *Table, service string) float64 {
	random, count := rand.New(rand.NewPCG(1, 2)), 0 // the same clients in every run, so that plans can be compared
	for i := range sampled {
		q := Request{Service: service, Client: anyClient(random), Account: "account-" + strconv.Itoa(i)}
		a, b := before.Route(q), after.Route(q)
		if x, y := a.Next(), b.Next(); (x == nil) != (y == nil) || x != nil && !sameNode(x, y) {
			count++
		}
	}
	return 100 * float64(count) / sampled
}

// anyClient is an IPv4 address three times of four.
func anyClient(random *rand.Rand) netip.Addr {
	var a [16]byte
	for i := range a {
		a[i] = byte(random.Uint32())
	}
	if random.IntN(4) > 0 {
		return netip.AddrFrom4([4]byte(a[:4]))
	}
	return netip.AddrFrom16(a)
}

func sameNode(a, b *Backend) bool { return a.Node.Name == b.Node.Name && unchanged(a, b) }

// leaving is the per cent of the sessions that sit on nodes that take none any more: sessions spread as the weights
// say, and those on nodes that stay do not move.
func leaving(old, next *pool) float64 {
	stays := make(map[string]*Backend)
	for _, groups := range next.groups {
		for _, g := range groups {
			for _, b := range g.members {
				stays[b.Node.Name] = b
			}
		}
	}
	gone := 0.0
	old.spread(func(b *Backend, share float64) {
		if there := stays[b.Node.Name]; there == nil || !unchanged(b, there) {
			gone += share
		}
	})
	return 100 * gone
}

// spread tells the share of new sessions that each node gets: those of the first group, and of the one that sessions
// of a weak region are passed on to.
func (p *pool) spread(each func(*Backend, float64)) {
	c := Candidates{pool: p}
	first, keep := c.group(), 1.0
	if p.spill != nil {
		keep = float64(p.keep) / math.MaxUint64
		p.spill.spread(1-keep, each)
	}
	first.spread(keep, each)
}

func (g *group) spread(part float64, each func(*Backend, float64)) {
	for _, class := range g.classes {
		for _, b := range g.members[class.first:class.last] {
			each(b, part*float64(class.weight)/float64(g.total))
		}
	}
}
