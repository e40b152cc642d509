package routing

import (
	"math"
	"slices"
	"time"

	"posthouse/config"
)

// phase is when a backend's turn comes: all regions are asked for one phase before the next phase begins.
type phase uint8

const (
	usable        phase = iota // up as far as anybody knows, with weight
	reserve                    // the same, of weight 0
	doubted                    // known to be down, with weight: checks are wrong more often than the cluster is gone
	doubtedOfZero              // the same, of weight 0
	phases
)

// phaseOf places a backend that may get sessions at all.
func phaseOf(state config.HealthState, weight uint64) phase {
	p := usable
	if !state.Usable() {
		p = doubted
	}
	if weight == 0 {
		p++
	}
	return p
}

// barred is why a backend gets no session in any phase; "" if it may.
func (s slot) barred(b *Backend) string {
	switch {
	case s.rank < 0:
		return "its region gets no sessions from here"
	case s.state != config.Active:
		return s.state.String()
	case len(b.Addrs) == 0:
		return "its host name is not resolved"
	}
	return ""
}

// pool is the backends of a service in the order in which sessions come to them.
type pool struct {
	service   *config.Service
	ordering  ordering
	attempts  int
	groups    [phases][]*group // in the order of regions, without empty ones
	standings []standing       // by rank
	home      int              // rank of the balancer's own region; -1: it gets no sessions
	spill     *group           // what a session above keep begins with; nil: nothing spills
	keep      uint64           // of 1<<64
	ramping   time.Time        // when slow start gives the next backend more weight; zero: it gives none
}

// defaultAttempts stands in for a topology that was not read from a file.
const defaultAttempts = 4

// newPool sorts the backends of a section into groups.
func newPool(l *layout, s section, backends []*Backend, now time.Time) *pool {
	p := &pool{service: s.service, ordering: orderingOf(s.service.Balance), attempts: s.service.Attempts}
	if p.attempts < 1 {
		p.attempts = defaultAttempts
	}
	for i, members := range p.fill(l, s, backends, now) {
		if rank := i % len(l.regions); len(members) > 0 {
			ph := i / len(l.regions)
			p.groups[ph] = append(p.groups[ph], newGroup(rank, members, s.cursors[rank]))
		}
	}
	p.home = slices.IndexFunc(l.regions, func(r *config.Region) bool { return r.Name == l.topology.Region })
	p.standings = standings(l, s, backends)
	p.divide(l.topology.MinHealthy)
	return p
}

// fill returns the members of each phase in each region.
func (p *pool) fill(l *layout, s section, backends []*Backend, now time.Time) [][]member {
	buckets := make([][]member, int(phases)*len(l.regions))
	for i := s.first; i < s.last; i++ {
		slot, b := &l.slots[i], backends[i]
		if slot.barred(b) != "" {
			continue
		}
		weight, next := effective(slot.weight, b, now)
		p.ramping = earlier(p.ramping, next)
		at := int(phaseOf(b.Health.State, slot.weight))*len(l.regions) + slot.rank
		buckets[at] = append(buckets[at], member{b, slot.seed, weight})
	}
	return buckets
}

// effective is a weight that stands for a share inside a group: in steps of the slow start, and never 0, for members
// of weight 0 share what comes to them evenly.
func effective(weight uint64, b *Backend, now time.Time) (uint64, time.Time) {
	step, next := uint64(rampSteps), time.Time{}
	if b.Health.State.Usable() {
		step, next = ramp(b.Health, b.Service.SlowStart, now)
	}
	return max(weight, 1) * step, next
}

func standings(l *layout, s section, backends []*Backend) []standing {
	all := make([]standing, len(l.regions))
	for i := s.first; i < s.last; i++ {
		slot, b := &l.slots[i], backends[i]
		if slot.rank < 0 {
			continue
		}
		all[slot.rank].weight += slot.weight
		if slot.barred(b) == "" && b.Health.State.Usable() {
			all[slot.rank].healthy += slot.weight
		}
	}
	return all
}

// divide says what part of new sessions begins in another region because their own is weak.
func (p *pool) divide(minHealthy float64) {
	_, spill, keep := split(p.standings, minHealthy)
	for _, g := range p.groups[usable] {
		if g.rank == spill {
			p.spill, p.keep = g, uint64(keep*math.MaxUint64)
		}
	}
}

// own says whether a group is in the balancer's own region.
func (p *pool) own(g *group) bool { return g.rank == p.home }

// usable says whether new sessions find a node that is not known to be down.
func (p *pool) usable() bool { return len(p.groups[usable])+len(p.groups[reserve]) > 0 }
