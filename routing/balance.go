package routing

import (
	"math"
	"math/rand/v2"

	"posthouse/config"
)

// ordering is config.Balance as the hot path reads it.
type ordering uint8

const (
	bySessions ordering = iota
	byTurn
	byChance
	byClient
	byAccount
)

func orderingOf(b config.Balance) ordering {
	switch b {
	case config.RoundRobin:
		return byTurn
	case config.Random:
		return byChance
	case config.ClientHash:
		return byClient
	case config.AccountHash:
		return byAccount
	}
	return bySessions
}

func (o ordering) hashes() bool { return o >= byClient }

// key is the hash that decides for a request; 0 where none does. While the account is not known its client decides.
func (o ordering) key(q Request) uint64 {
	switch {
	case o == byAccount && q.Account != "":
		return hashAccount(q.Account)
	case o.hashes():
		return hashClient(q.Client)
	}
	return 0
}

// choose returns the best member of a group that is open, or nil.
func (c *Candidates) choose(g *group) *Backend {
	switch c.pool.ordering {
	case bySessions:
		return c.lighter(g)
	case byTurn, byChance:
		return c.draw(g, pick{}).backend
	}
	return c.nearest(g)
}

// lighter is the power of two choices: two members drawn by weight, and the second one wins if with this session it
// would still be no fuller for its weight than the first is without it. In a busy cluster that evens sessions out by
// weight; in an idle one the first draw stands, so that shares follow the weights there too (comparing sessions/weight
// would favour light nodes, (sessions+1)/weight heavy ones).
func (c *Candidates) lighter(g *group) *Backend {
	first := c.draw(g, pick{})
	if first.backend == nil || first.weight == g.total {
		return first.backend
	}
	second := c.draw(g, first)
	if second.backend == nil || uint64(second.backend.Sessions()+1)*first.weight > uint64(first.backend.Sessions())*second.weight {
		return first.backend
	}
	return second.backend
}

// draws is how often draw tries its luck before it looks at every member: enough to miss a few nodes that were tried
// or are full, and still cheap when nearly all are.
const draws = 6

// draw picks a member by weight, at random or by turn; none if none is open. At random it can leave one out.
func (c *Candidates) draw(g *group, except pick) pick {
	for range draws {
		if p := g.at(c.unit(g, except)); c.open(p.backend) {
			return p
		}
	}
	return c.sweep(g, except.backend)
}

// unit is a unit of the group's weight.
func (c *Candidates) unit(g *group, except pick) uint64 {
	if c.pool.ordering == byTurn {
		return g.turn()
	}
	unit := rand.Uint64N(g.total - except.weight)
	if except.backend != nil && unit >= except.begin {
		unit += except.weight
	}
	return unit
}

// sweep picks by weight among those that are open.
func (c *Candidates) sweep(g *group, except *Backend) (found pick) {
	sum := uint64(0)
	for unit := uint64(0); unit < g.total; {
		p := g.at(unit)
		unit += p.weight
		if p.backend == except || !c.open(p.backend) {
			continue
		}
		if sum += p.weight; rand.Uint64N(sum) < p.weight {
			found = p
		}
	}
	return found
}

// nearest is weighted rendezvous hashing: the open member with the largest score. Inside a class the largest claim has
// it, so that logarithms are taken for classes and not for members, and only of those that can still win.
func (c *Candidates) nearest(g *group) *Backend {
	best, top, under := -1, 0.0, math.Inf(1)
	for i := range g.classes {
		class := &g.classes[i]
		member, claim := c.strongest(g, class, leastClaim(class.weight, under))
		if member < 0 {
			continue
		}
		if s := score(class.weight, claim); s > top {
			best, top, under = member, s, 1/s
		}
	}
	if best < 0 {
		return nil
	}
	return g.members[best]
}

// strongest is the open member of a class with the largest claim of at least a size; -1 if there is none. With a
// size that few claims have, the branch in the loop is foreseen by the processor, which is most of the time it takes.
func (c *Candidates) strongest(g *group, class *class, least uint64) (member int, claim uint64) {
	member = -1
	for i, seed := range g.seeds[class.first:class.last] {
		if x := mix(c.key ^ seed); x >= least && c.open(g.members[class.first+i]) {
			member, least = class.first+i, x
		}
	}
	return member, least
}
