package routing

import (
	"cmp"
	"math/bits"
	"slices"
)

// group is the backends of one phase in one region: what a balance chooses from. The members stand by falling weight,
// so that those of equal weight, a class, are neighbours: a choice by weight finds the class and then divides.
type group struct {
	rank     int // of the region
	members  []*Backend
	seeds    []uint64 // of the members, for rendezvous hashing
	classes  []class
	total    uint64 // weight of all members
	stride   uint64 // of round-robin
	position *cursor
}

// class is the members of one weight.
type class struct {
	weight      uint64
	first, last int    // members; last is not one of them
	begin, end  uint64 // its part of the group's total weight
}

// member is a backend on its way into a group.
type member struct {
	backend      *Backend
	seed, weight uint64
}

func newGroup(rank int, members []member, position *cursor) *group {
	heaviest := func(a, b member) int { return cmp.Compare(b.weight, a.weight) }
	if !slices.IsSortedFunc(members, heaviest) {
		slices.SortStableFunc(members, heaviest)
	}
	g := &group{rank: rank, position: position}
	g.members, g.seeds = make([]*Backend, len(members)), make([]uint64, len(members))
	for i, m := range members {
		g.members[i], g.seeds[i] = m.backend, m.seed
	}
	g.classify(members)
	g.stride = stride(g.total, len(g.classes))
	return g
}

// classify fills in classes and total, with weights in lowest terms: one period of round-robin is then as short as
// the shares allow.
func (g *group) classify(members []member) {
	unit := uint64(0)
	for _, m := range members {
		unit = gcd(m.weight, unit)
	}
	for i, m := range members {
		weight := m.weight / unit
		if n := len(g.classes); n == 0 || g.classes[n-1].weight != weight {
			g.classes = append(g.classes, class{weight: weight, first: i, begin: g.total})
		}
		g.total += weight
		c := &g.classes[len(g.classes)-1]
		c.last, c.end = i+1, g.total
	}
}

// stride is the step of round-robin through the total weight. Any step that shares no factor with the total meets
// every unit of weight once in a period, so shares are exact; one near the golden section spreads the turns of a
// heavy member as evenly as they can be. Where all weigh the same, 1 keeps the order of the file.
func stride(total uint64, classes int) uint64 {
	if classes < 2 {
		return 1
	}
	const golden = 0.6180339887498949
	step := uint64(float64(total) * golden)
	for gcd(step, total) != 1 {
		step++
	}
	return step
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// pick is a member and its part of the group's weight.
type pick struct {
	backend       *Backend // nil: none
	weight, begin uint64
}

// at is the member that owns a unit of weight.
func (g *group) at(unit uint64) pick {
	lo, hi := 0, len(g.classes)-1
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); g.classes[mid].end > unit {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	c := &g.classes[lo]
	i := (unit - c.begin) / c.weight
	return pick{g.members[c.first+int(i)], c.weight, c.begin + i*c.weight}
}

// turn is the unit of weight whose turn it is by round-robin.
func (g *group) turn() uint64 {
	n := g.position.n.Add(1) - 1
	hi, lo := bits.Mul64(n%g.total, g.stride)
	return bits.Rem64(hi, lo, g.total)
}
