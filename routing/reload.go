package routing

import (
	"slices"

	"posthouse/config"
)

// Publish puts another topology into effect. Targets that are unchanged (same name, addresses and port) keep their
// health and their sessions; the others begin as unknown.
func (r *Router) Publish(t *config.Topology) {
	r.building.Lock()
	defer r.building.Unlock()
	r.settle(newLayout(t, r.layout.marks, &r.counters))
}

// Mark changes the marks. They are in effect when it returns.
func (r *Router) Mark(change func(Marks) Marks) {
	r.building.Lock()
	defer r.building.Unlock()
	r.settle(newLayout(r.layout.file, change(r.layout.marks), &r.counters))
}

// settle moves to another layout. The caller holds building.
func (r *Router) settle(next *layout) {
	before := carried(r.layout, next) // r.layout is written below only, by whoever holds building
	r.lame = carry(r.lame, before)
	r.mu.Lock()
	r.adopt(next, before)
	r.mu.Unlock()
	r.build()
	select {
	case r.wake <- struct{}{}: // the new table may have a slow start of its own
	default:
	}
}

// carried is, for each slot of a layout, the slot of the one before that is the same target, or -1.
func carried(old, next *layout) []int {
	before := make([]int, len(next.slots))
	for i, b := range next.backends {
		before[i] = old.slot(b.Target())
		if j := before[i]; j >= 0 && !unchanged(old.backends[j], b) {
			before[i] = -1
		}
	}
	return before
}

func carry(lame []bool, before []int) []bool {
	next := make([]bool, len(before))
	for i, j := range before {
		next[i] = j >= 0 && lame[j]
	}
	return next
}

// adopt moves to another layout with what is known of the targets that are in both. Nobody else has seen the layout's
// backends yet, so they are written in place. The caller holds mu.
func (r *Router) adopt(next *layout, before []int) {
	for i, j := range before {
		if j >= 0 {
			next.backends[i].Health = r.backends[j].Health
		}
	}
	for node, found := range r.addresses {
		slots := next.nodes[node]
		if len(slots) == 0 || next.backends[slots[0]].Node.Host != found.host {
			delete(r.addresses, node)
			continue
		}
		for _, i := range slots {
			next.backends[i].dial(found.addrs)
		}
	}
	r.layout, r.backends = next, slices.Clone(next.backends)
}
