package routing

import (
	"maps"
	"slices"
	"time"

	"posthouse/config"
)

// Subject is what a mark, a drain or a kill is about: a node, a region, a service, or, with Node and Service, one service of a
// node. The zero value is everything.
type Subject struct {
	Node    string `json:"node,omitempty"`
	Region  string `json:"region,omitempty"`
	Service string `json:"service,omitempty"`
}

// Covers says whether sessions on a backend are meant.
func (s Subject) Covers(b *Backend) bool {
	return (s.Node == "" || s.Node == b.Node.Name) && (s.Region == "" || s.Region == b.Node.Region) &&
		(s.Service == "" || s.Service == b.Service.Name)
}

func (s Subject) String() string {
	switch {
	case s.Node != "" && s.Service != "":
		return s.Service + " of node " + s.Node
	case s.Node != "":
		return "node " + s.Node
	case s.Region != "" && s.Service != "":
		return s.Service + " of region " + s.Region
	case s.Region != "":
		return "region " + s.Region
	case s.Service != "":
		return "service " + s.Service
	}
	return "everything"
}

// Mark is what an operator set at run time: that its subject drains, or another weight for it.
type Mark struct {
	Subject
	Weight *int      `json:"weight,omitempty"` // of a node, or of one service of it; nil: the mark is a drain
	Since  time.Time `json:"since"`
	By     string    `json:"by,omitempty"` // who asked
	Reason string    `json:"reason,omitempty"`
}

// same says whether one mark takes the place of the other.
func (m Mark) same(other Mark) bool {
	return m.Subject == other.Subject && (m.Weight == nil) == (other.Weight == nil)
}

// Marks come on top of what the file says: the stricter of the two states wins, whatever the order in which they were set,
// and a weight replaces the file's. They stay when their subject leaves the file, and are in effect again when it is
// back. A value is never changed: With and Without make new ones.
type Marks []Mark

// With is the marks with one more; one of the same kind and subject gives way.
func (m Marks) With(mark Mark) Marks { return append(m.Without(mark), mark) }

// Without is the marks without the one of the same kind and subject.
func (m Marks) Without(mark Mark) Marks { return slices.DeleteFunc(slices.Clone(m), mark.same) }

// Has says whether there is a mark of that kind for that subject.
func (m Marks) Has(mark Mark) bool { return slices.ContainsFunc(m, mark.same) }

// Apply is the topology with the marks. The given one is not changed; what no mark is about is shared.
func (m Marks) Apply(t *config.Topology) *config.Topology {
	if len(m) == 0 {
		return t
	}
	next := *t
	next.Nodes = withMarks(t.Nodes, func(n *config.Node) string { return n.Name }, m.by(Mark.ofNode), markNode)
	next.Regions = withMarks(t.Regions, func(r *config.Region) string { return r.Name }, m.by(Mark.ofRegion), markRegion)
	next.Services = withMarks(t.Services, func(s *config.Service) string { return s.Name }, m.by(Mark.ofService), markService)
	return &next
}

func (m Mark) ofNode() string   { return m.Node }
func (m Mark) ofRegion() string { return m.Region }

// ofService is for marks that are about a service everywhere.
func (m Mark) ofService() string {
	if m.Node != "" {
		return ""
	}
	return m.Service
}

// by sorts the marks by a name; those about a whole come before those about a part of it, which are more exact.
func (m Marks) by(name func(Mark) string) map[string]Marks {
	sorted := make(map[string]Marks)
	for _, part := range []bool{false, true} {
		for _, mark := range m {
			if of := name(mark); of != "" && part == (mark.Node != "" && mark.Service != "") {
				sorted[of] = append(sorted[of], mark)
			}
		}
	}
	return sorted
}

// withMarks is a list with copies in place of those that have marks.
func withMarks[T any](all []*T, name func(*T) string, by map[string]Marks, mark func(*T, Mark)) []*T {
	if len(by) == 0 {
		return all
	}
	next := slices.Clone(all)
	for i, one := range all {
		if marks := by[name(one)]; marks != nil {
			changed := *one
			for _, m := range marks {
				mark(&changed, m)
			}
			next[i] = &changed
		}
	}
	return next
}

func markNode(n *config.Node, m Mark) {
	switch {
	case m.Weight != nil && m.Service == "": // also where the file has other ones by service: the whole node is meant
		n.Weight, n.Weights = *m.Weight, nil
	case m.Weight != nil:
		n.Weights = withKey(n.Weights, m.Service, *m.Weight)
	case m.Service == "":
		n.State = max(n.State, config.Drain)
	default:
		n.States = withKey(n.States, m.Service, config.Drain)
	}
}

func markRegion(r *config.Region, _ Mark)   { r.State = max(r.State, config.Drain) }
func markService(s *config.Service, _ Mark) { s.State = max(s.State, config.Drain) }

// withKey is a copy of a map, which topologies share, with one more key.
func withKey[V any](all map[string]V, key string, value V) map[string]V {
	next := maps.Clone(all)
	if next == nil {
		next = make(map[string]V)
	}
	next[key] = value
	return next
}
