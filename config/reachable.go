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
			all = append(all, t.balancers(r)...)
		}
	}
	return all
}

func (t *Topology) balancers(r *Region) []*Node {
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
			Name: "balancer/" + r.Name + "/" + a.String(), Addresses: []netip.Addr{a}, Region: r.Name,
			Services: services, Weight: 1, Ports: ports, Balancer: true,
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
