// Package routing chooses the node for a session.
//
// A Table is a topology with the health of its nodes: immutable, so that sessions, DNS and the admin API read it
// without locks. Table.Route gives the Candidates for a Request, and Candidates.Next the next Backend to try. The
// Router is the one thing that changes: it takes reports and reloads and publishes the next Table. The Counters of
// live sessions stand beside the tables.
//
// From the file to a choice: regionOrder says which regions may be asked and in which order, phaseOf and slot.barred
// place each backend, split divides the sessions of a weak region, and the ordering of the service chooses in a group.
package routing

import (
	"net/netip"
	"slices"
	"time"

	"posthouse/config"
)

// Table is which nodes there are and how they are, as of one moment.
type Table struct {
	layout   *layout
	backends []*Backend // by slot
	pools    []*pool    // by section
	ramping  time.Time  // when a slow start gives the next node more weight; zero: none is on
}

// State is what a Table needs to know beside the topology. The zero value knows nothing: all nodes count as up.
type State struct {
	Health    map[config.Target]config.Health
	Addresses map[string][]netip.Addr // of nodes that have host names
	Marks     Marks
	Counters  *Counters // nil: fresh ones
	Now       time.Time // for slow start
}

// NewTable makes the table of a topology in a state.
func NewTable(t *config.Topology, s State) *Table {
	counters := s.Counters
	if counters == nil {
		counters = new(Counters)
	}
	l := newLayout(t, s.Marks, counters)
	for _, b := range l.backends {
		b.Health = s.Health[b.Target()]
		if b.Node.Host != "" {
			b.dial(s.Addresses[b.Node.Name])
		}
	}
	return l.table(l.backends, s.Now, nil)
}

// table makes a table of backends that are slots of the layout; it keeps them. Of the table before, which may be nil,
// it takes over the pools of services for which nothing has changed.
func (l *layout) table(backends []*Backend, now time.Time, before *Table) *Table {
	t := &Table{layout: l, backends: backends, pools: make([]*pool, len(l.sections))}
	for i, s := range l.sections {
		if before != nil && before.layout == l && before.pools[i].ramping.IsZero() &&
			slices.Equal(before.backends[s.first:s.last], backends[s.first:s.last]) {
			t.pools[i] = before.pools[i]
			continue
		}
		t.pools[i] = newPool(l, s, backends, now)
		t.ramping = earlier(t.ramping, t.pools[i].ramping)
	}
	return t
}

// Topology is the one in effect: what the file says, and the marks on top of it.
func (t *Table) Topology() *config.Topology { return t.layout.topology }

// File is the topology without the marks.
func (t *Table) File() *config.Topology { return t.layout.file }

// Marks are what the table was made with. They are shared and not to be changed.
func (t *Table) Marks() Marks { return t.layout.marks }

// Health is what is known of a target; Unknown if it is not in the topology or cannot be reached from here.
func (t *Table) Health(target config.Target) config.Health {
	if i := t.layout.slot(target); i >= 0 {
		return t.backends[i].Health
	}
	return config.Health{}
}

// Backends is everything that this balancer can reach, what gets no sessions included: service by service, in the
// order of the file. It is shared and not to be changed.
func (t *Table) Backends() []*Backend { return t.backends }

// Barred says in words why a backend of this table gets no new session whatever its health; "" if it may.
func (t *Table) Barred(b *Backend) string {
	i := t.layout.slot(b.Target())
	if i < 0 {
		return "it is not in the topology"
	}
	return t.layout.slots[i].barred(b)
}

// Usable says whether a new session of a service finds a node that is not known to be down.
func (t *Table) Usable(service string) bool {
	i, ok := t.layout.services[service]
	return ok && t.pools[i].usable()
}
