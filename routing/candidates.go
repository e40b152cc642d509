package routing

import (
	"math/rand/v2"
	"net/netip"
	"slices"
)

// Request is what is known of a client when its session is routed.
type Request struct {
	Service string
	Client  netip.Addr
	Account string // as it logs in; "" while that is not known
	Relayed bool   // a balancer of another region sent it here: only nodes of this region, or two balancers could send it round in circles
}

// Candidates is the backends that a session may try, best first; each is chosen when it is asked for. The zero value
// has none. It is used by one goroutine.
type Candidates struct {
	pool    *pool
	key     uint64 // hash of the client or account, where the balance is by hash
	left    int    // attempts
	phase   phase
	region  int  // index into the groups of the phase
	spilled bool // begins with the pool's spill
	relayed bool

	tries int
	tried [8]*Backend // the first of them, so that a usual session allocates nothing
	more  []*Backend  // the others
}

// Route returns the candidates for a session, none if the service is unknown here.
func (t *Table) Route(q Request) Candidates {
	i, ok := t.layout.services[q.Service]
	if !ok {
		return Candidates{}
	}
	p := t.pools[i]
	c := Candidates{pool: p, left: p.attempts, key: p.ordering.key(q), relayed: q.Relayed}
	c.spilled = p.spill != nil && !q.Relayed && p.lot(c.key) >= p.keep
	return c
}

var shareSeed = hashText("\x00share of a region") // no node can have that name

// lot decides whether a session stays in a weak region. By hash it is the client's own, so that a region that gets
// weaker loses further clients and keeps losing the same ones.
func (p *pool) lot(key uint64) uint64 {
	if p.ordering.hashes() {
		return mix(key ^ shareSeed)
	}
	return rand.Uint64()
}

// Next returns the best backend that was not returned yet, nil when there is none or the service's attempts are used
// up. Nodes that have max_sessions are passed over.
func (c *Candidates) Next() *Backend {
	if c.left == 0 {
		return nil
	}
	for g := c.group(); g != nil; g = c.group() {
		if b := c.choose(g); b != nil {
			c.take(b)
			return b
		}
		c.pass()
	}
	return nil
}

// group is where the walk stands: phase by phase, and in each of them region by region. A session that spilled begins
// in the region that it spilled to and then walks as all do.
func (c *Candidates) group() *group {
	if c.spilled {
		return c.pool.spill
	}
	for ; c.phase < phases; c.phase, c.region = c.phase+1, 0 {
		for groups := c.pool.groups[c.phase]; c.region < len(groups); c.region++ {
			if g := groups[c.region]; !c.relayed || c.pool.own(g) {
				return g
			}
		}
	}
	return nil
}

// pass leaves a group that has nothing more to offer.
func (c *Candidates) pass() {
	if c.spilled {
		c.spilled = false
		return
	}
	c.region++
}

func (c *Candidates) take(b *Backend) {
	if c.tries < len(c.tried) {
		c.tried[c.tries] = b
	} else {
		c.more = append(c.more, b)
	}
	c.tries++
	c.left--
}

// open says whether a backend may be the next one.
func (c *Candidates) open(b *Backend) bool {
	return !b.full() && !slices.Contains(c.tried[:min(c.tries, len(c.tried))], b) && !slices.Contains(c.more, b)
}
