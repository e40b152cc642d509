package routing

import "slices"

// Share is how a region stands for a service, as this balancer sees it.
type Share struct {
	Region  string
	Weight  uint64  // of its nodes, drained ones included
	Healthy uint64  // what of it can serve now
	Gets    float64 // part of this balancer's new sessions that begins there, 0 to 1
}

// Shares are the regions that may get sessions of a service, in the order in which they are asked.
func (t *Table) Shares(service string) []Share {
	i, ok := t.layout.services[service]
	if !ok {
		return nil
	}
	p := t.pools[i]
	shares := make([]Share, len(p.standings))
	for rank, s := range p.standings {
		shares[rank] = Share{Region: t.layout.regions[rank].Name, Weight: s.weight, Healthy: s.healthy}
	}
	home, spill, keep := split(p.standings, t.layout.topology.MinHealthy)
	if spill >= 0 {
		shares[spill].Gets = 1 - keep
		shares[home].Gets = keep
	} else if first := p.begins(); first >= 0 {
		shares[first].Gets = 1
	}
	return shares
}

// begins is the rank of the region where sessions begin that do not spill; -1: there is none.
func (p *pool) begins() int {
	i := slices.IndexFunc(p.groups[:], func(g []*group) bool { return len(g) > 0 })
	if i < 0 {
		return -1
	}
	return p.groups[i][0].rank
}
