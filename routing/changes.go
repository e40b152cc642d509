package routing

import "strings"

// change is a node some of whose services came up or went down between two tables.
type change struct {
	first    *Backend // of those that changed
	services []string
}

// logChanges says which nodes came up or went down since the last table: a line for each node, not for each of its
// services, for a node mostly goes down as a whole. The caller holds building.
func (r *Router) logChanges(t *Table) {
	down, up := r.changes(t)
	for _, c := range down {
		h := c.first.Health
		said := []any{"event", "node-down", "node", c.first.Node.Name, "region", c.first.Node.Region, "services", c.names(), "reason", h.Reason}
		if h.Transcript != "" {
			said = append(said, "transcript", h.Transcript)
		}
		r.log.Info("node down", said...)
	}
	for _, c := range up {
		r.log.Info("node up", "event", "node-up", "node", c.first.Node.Name, "region", c.first.Node.Region, "services", c.names())
	}
	r.logLeads(t)
}

// changes compares a table with what was logged last, and remembers it as logged.
func (r *Router) changes(t *Table) (down, up []*change) {
	var both [2]map[string]*change
	for i, b := range t.backends {
		lame := !b.Health.State.Usable()
		if lame == r.lame[i] {
			continue
		}
		r.lame[i] = lame
		list, byNode := &up, &both[0]
		if lame {
			list, byNode = &down, &both[1]
		}
		*list = b.add(*list, byNode)
	}
	return down, up
}

func (b *Backend) add(list []*change, byNode *map[string]*change) []*change {
	if *byNode == nil {
		*byNode = make(map[string]*change)
	}
	c := (*byNode)[b.Node.Name]
	if c == nil {
		c = &change{first: b}
		(*byNode)[b.Node.Name] = c
		list = append(list, c)
	}
	c.services = append(c.services, b.Service.Name)
	return list
}

func (c *change) names() string { return strings.Join(c.services, ",") }
