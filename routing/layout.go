package routing

import (
	"net/netip"
	"slices"

	"posthouse/config"
)

// layout is what the topology alone decides: which backends there are, which regions they are asked in, what they
// weigh. A reload makes one; every table until the next reload stands on it.
type layout struct {
	topology *config.Topology // the file's with the marks
	file     *config.Topology
	marks    Marks
	regions  []*config.Region // that may get sessions, in the order in which they are asked; a rank is an index here
	sections []section        // a service each, in the order of the topology
	slots    []slot           // a backend each, a section after the other, inside in the order of the file
	backends []*Backend       // of the slots, as the layout begins
	services map[string]int   // name to section
	nodes    map[string][]int // name to slots
}

// section is the slots of one service.
type section struct {
	service     *config.Service
	first, last int       // slots; last is not one of them
	cursors     []*cursor // by rank
}

// slot is what does not change with the health of a backend.
type slot struct {
	rank   int               // -1: its region gets no sessions
	state  config.AdminState // drained: no new sessions, but part of the region's weight
	weight uint64            // 0 for disabled nodes too
	seed   uint64            // for rendezvous hashing; by name, so that a node that moves house keeps its clients
}

// maxWeight keeps sums and products of weights far from the end of 64 bits.
const maxWeight = 1 << 24

func newLayout(file *config.Topology, marks Marks, counters *Counters) *layout {
	t := marks.Apply(file)
	l := &layout{topology: t, file: file, marks: marks, regions: regionOrder(t), services: make(map[string]int, len(t.Services))}
	nodes := t.Reachable()
	runs, all := make(map[string][]int, len(t.Services)), 0
	for i, n := range nodes {
		all += len(n.Services)
		for _, name := range n.Services {
			runs[name] = append(runs[name], i)
		}
	}
	l.slots, l.backends = make([]slot, 0, all), make([]*Backend, 0, all)
	counters.lay(func() {
		cells := newCells(l.regions, nodes, counters)
		for _, s := range t.Services {
			l.addSection(s, runs[s.Name], cells, counters)
		}
		l.nodes = make(map[string][]int, len(cells))
		for _, c := range cells {
			l.nodes[c.node.Name] = c.slots
		}
	})
	return l
}

// cell is what all services of a node have in common.
type cell struct {
	node     *config.Node
	rank     int
	seed     uint64
	counters *nodeCounters
	slots    []int
	addrs    []netip.AddrPort // of all its services, a piece for each
}

func newCells(regions []*config.Region, nodes []*config.Node, counters *Counters) []cell {
	ranks := make(map[string]int, len(regions))
	for i, r := range regions {
		ranks[r.Name] = i + 1
	}
	cells := make([]cell, len(nodes))
	for i, n := range nodes {
		cells[i] = cell{
			node: n, rank: ranks[n.Region] - 1, seed: hashText(n.Name),
			counters: counters.node(n), slots: make([]int, 0, len(n.Services)),
			addrs: make([]netip.AddrPort, 0, len(n.Services)*len(n.Addresses)),
		}
	}
	return cells
}

func (l *layout) addSection(s *config.Service, runs []int, cells []cell, counters *Counters) {
	section := section{service: s, first: len(l.slots), last: len(l.slots) + len(runs)}
	for _, r := range l.regions {
		section.cursors = append(section.cursors, counters.cursor(s.Name, r.Name))
	}
	l.services[s.Name] = len(l.sections)
	l.sections = append(l.sections, section)
	for _, i := range runs {
		c := &cells[i]
		c.slots = append(c.slots, len(l.slots))
		l.slots = append(l.slots, newSlot(c.node, s, c))
		l.backends = append(l.backends, newBackend(c.node, s, c))
	}
}

func newSlot(n *config.Node, s *config.Service, c *cell) slot {
	weight := uint64(min(max(n.WeightFor(s.Name), 0), maxWeight))
	state := stateOf(n, s)
	if state == config.Disabled {
		weight = 0
	}
	return slot{rank: c.rank, state: state, weight: weight, seed: c.seed}
}

// stateOf is what a node takes of a service: the stricter of what is said of either.
func stateOf(n *config.Node, s *config.Service) config.AdminState {
	return max(n.StateFor(s.Name), s.State)
}

func newBackend(n *config.Node, s *config.Service, c *cell) *Backend {
	port := n.Port(s)
	b := &Backend{
		Node: n, Service: s, Addrs: c.at(port), Proxy: s.Proxy,
		sessions: c.counters.service(s.Name, port), node: c.counters.all, limit: int64(n.MaxSessions),
	}
	if n.Balancer {
		b.Proxy = config.ProxyV2
	}
	return b
}

// at is the node's addresses at a port; nil while its host name is not resolved.
func (c *cell) at(port uint16) []netip.AddrPort {
	first := len(c.addrs)
	c.addrs = appendAt(c.addrs, c.node.Addresses, port)
	return slices.Clip(c.addrs[first:])
}

// slot returns the index of a target, or -1.
func (l *layout) slot(target config.Target) int {
	for _, i := range l.nodes[target.Node] {
		if l.backends[i].Service.Name == target.Service {
			return i
		}
	}
	return -1
}

// unchanged says whether two backends of one name are one and the same to probes and sessions.
func unchanged(a, b *Backend) bool {
	return a.Node.Host == b.Node.Host && slices.Equal(a.Node.Addresses, b.Node.Addresses) &&
		a.Node.Port(a.Service) == b.Node.Port(b.Service)
}
