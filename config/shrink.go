package config

import (
	"fmt"
	"math"
	"net/netip"
)

// smallPool is the number of nodes below which a pool may lose any share: of three, one is a third.
const smallPool = 4

// Shrink says what new takes away beyond its max_shrink: a sentence for each pool, that is a service in a region, that
// has 4 or more nodes in old and loses too large a share of them. Disabled nodes do not count. A node is not lost if
// its name, or its address and port, is still in the pool. nil is fine.
func Shrink(old, new *Topology) []string {
	var held []string
	for _, s := range old.Services {
		for _, r := range old.Regions {
			before, after := old.pool(s.Name, r.Name), new.pool(s.Name, r.Name)
			lost := len(before) - kept(s, before, after)
			if len(before) < smallPool || float64(lost) <= new.MaxShrink*float64(len(before)) {
				continue
			}
			held = append(held, fmt.Sprintf("%s in region %q would lose %d of %d nodes; max_shrink allows %d (%g of them)",
				s.Name, r.Name, lost, len(before), int(math.Floor(new.MaxShrink*float64(len(before)))), new.MaxShrink))
		}
	}
	return held
}

func (t *Topology) pool(service, region string) []*Node {
	var pool []*Node
	for _, n := range t.Nodes {
		if n.Region == region && n.State != Disabled && n.Runs(service) {
			pool = append(pool, n)
		}
	}
	return pool
}

func kept(s *Service, before, after []*Node) int {
	known := make(map[string]bool, 2*len(after))
	for _, n := range after {
		for _, id := range identities(s, n) {
			known[id] = true
		}
	}
	count := 0
	for _, n := range before {
		for _, id := range identities(s, n) {
			if known[id] {
				count++
				break
			}
		}
	}
	return count
}

// identities are what a node of a pool is known again by.
func identities(s *Service, n *Node) []string {
	ids := []string{n.Name}
	for _, a := range n.Addresses {
		ids = append(ids, netip.AddrPortFrom(a, n.Port(s)).String())
	}
	if n.Host != "" {
		ids = append(ids, fmt.Sprintf("%s:%d", n.Host, n.Port(s)))
	}
	return ids
}
