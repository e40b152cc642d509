package routing

import "strings"

// lead is where new sessions of a service begin, as far as an operator should hear of it. The zero value is the usual: in the region
// that they belong to.
type lead struct {
	from, to string // regions; to takes what from cannot
	part     bool   // from keeps a part
	nowhere  bool   // no node can be used
}

func (p *pool) lead(l *layout) lead {
	home, spill, keep := split(p.standings, l.topology.MinHealthy)
	switch {
	case !p.usable():
		return lead{nowhere: true}
	case spill < 0:
		return lead{}
	}
	return lead{from: l.regions[home].Name, to: l.regions[spill].Name, part: keep > 0}
}

// turn is services whose lead changed in the same way.
type turn struct{ before, now lead }

// logLeads says where sessions go to another region or nowhere since the last table, and where that is over: once for all services of
// which the same is to be said. The caller holds building.
func (r *Router) logLeads(t *Table) {
	leads := make(map[string]lead, len(t.pools))
	services := make(map[turn][]string)
	var turns []turn
	for i, s := range t.layout.sections {
		name := s.service.Name
		if s.first == s.last {
			continue
		}
		now := t.pools[i].lead(t.layout)
		leads[name] = now
		before, known := r.leads[name]
		if before == now || !known && now.nowhere { // at the start names are not resolved yet
			continue
		}
		change := turn{before, now}
		if services[change] == nil {
			turns = append(turns, change)
		}
		services[change] = append(services[change], name)
	}
	r.leads = leads
	for _, change := range turns {
		r.logTurn(change, strings.Join(services[change], ","))
	}
}

func (r *Router) logTurn(c turn, services string) {
	share := "all"
	if c.now.part {
		share = "a part"
	}
	switch {
	case c.now.nowhere:
		r.log.Error("no node can be used", "event", "no-node", "services", services)
	case c.now.to != "":
		r.log.Warn("region fails over", "event", "failover", "region", c.now.from, "to", c.now.to, "share", share, "services", services)
	case c.before.to != "":
		r.log.Info("region takes its sessions again", "event", "failover-over", "region", c.before.from, "services", services)
	case c.before.nowhere:
		r.log.Info("nodes can be used again", "event", "no-node-over", "services", services)
	}
}
