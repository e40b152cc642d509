package config

import "net/netip"

// Reachable lists the nodes that this balancer may open connections to: those of its own region, those of regions
// with ReachNodes, and for each region with ReachBalancers its public addresses, as nodes that run what that region
// serves. Nodes of other regions with ReachNone are not among them. Routing and probing both start from this list.
func (t *Topology) Reachable() []*Node {
	var all []*Node
	for _, n := range t.Nodes {
		if n.Region == t.Region || t.RegionNamed(n.Region).Reach == ReachNodes {
			all = append(all, n)
		}
	}
	for _, r := range t.Regions {
		if r.Name != t.Region && r.Reach == ReachBalancers {
			for _, n := range t.fronts(r, "balancer") {
				n.Balancer = true
				all = append(all, n)
			}
		}
	}
	return all
}

// Probed lists what this balancer probes: what it may open connections to, and with dns the public addresses of every
// region, its own too, as clients see them.
func (t *Topology) Probed() []*Node {
	all := t.Reachable()
	if t.DNS == nil {
		return all
	}
	for _, r := range t.Regions {
		if r.Name != t.Region && r.Reach == ReachBalancers {
			continue // Reachable has them
		}
		for _, n := range t.fronts(r, "address") {
			n.Public = true
			all = append(all, n)
		}
	}
	return all
}

// Front is the name under which a public address of a region is probed.
func (t *Topology) Front(r *Region, a netip.Addr) string {
	if r.Name != t.Region && r.Reach == ReachBalancers {
		return front("balancer", r, a)
	}
	return front("address", r, a)
}

func front(kind string, r *Region, a netip.Addr) string {
	return kind + "/" + r.Name + "/" + a.String()
}

// fronts is the public addresses of a region as nodes that run what the region serves.
func (t *Topology) fronts(r *Region, kind string) []*Node {
	ports := make(map[string]uint16)
	var services []string
	for _, s := range t.Services {
		listen := s.ListenIn(r.Name)
		if len(listen) > 0 && t.servedIn(s.Name, r.Name) {
			services = append(services, s.Name)
			ports[s.Name] = listen[0].Port()
		}
	}
	nodes := make([]*Node, len(r.Addresses))
	for i, a := range r.Addresses {
		nodes[i] = &Node{
			Name: front(kind, r, a), Addresses: []netip.Addr{a}, Region: r.Name,
			Services: services, Weight: 1, Ports: ports,
		}
	}
	return nodes
}

func (t *Topology) servedIn(service, region string) bool {
	for _, n := range t.Nodes {
		if n.Region == region && n.Runs(service) && n.State != Disabled {
			return true
		}
	}
	return false
}
