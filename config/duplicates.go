package config

// endpoint is where a node serves a service.
type endpoint struct {
	address string
	port    uint16
	service string
}

// checkDuplicates refuses two nodes that serve one thing in one place: each would get its share of sessions.
func (b *builder) checkDuplicates() {
	nodesAt := make(map[string]int)
	for _, n := range b.Nodes {
		for _, a := range addressesOfNode(n) {
			nodesAt[a]++
		}
	}
	first := make(map[endpoint]*Node) // of addresses with several nodes; that is few of them, as a rule
	said := make(map[position]bool)
	for _, n := range b.Nodes {
		for _, a := range addressesOfNode(n) {
			if nodesAt[a] > 1 && !said[b.nodeAt[n]] {
				said[b.nodeAt[n]] = b.clash(first, n, a)
			}
		}
	}
}

func addressesOfNode(n *Node) []string {
	if n.Host != "" {
		return []string{n.Host}
	}
	all := make([]string, len(n.Addresses))
	for i, a := range n.Addresses {
		all[i] = a.String()
	}
	return all
}

// clash reports the first endpoint of a node that another one has, and says whether there was one.
func (b *builder) clash(first map[endpoint]*Node, n *Node, address string) bool {
	for _, name := range n.Services {
		at := endpoint{address, n.Port(b.entry(name).Service), name}
		if other := first[at]; other != nil {
			b.errorf(b.nodeAt[n], "node %q: serves %s at %s port %d, as node %q does (%s)",
				n.Name, name, address, at.port, other.Name, b.nodeAt[other])
			return true
		}
		first[at] = n
	}
	return false
}
