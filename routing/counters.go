package routing

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"posthouse/config"
)

// tally counts sessions: those that live, and all that have begun. It fills a cache line, so that cores that begin sessions on different nodes do not wait
// for each other; those of one node are allocated together, so that a long session holds a few hundred bytes of a node
// that is gone and not an array of all nodes.
type tally struct {
	n     atomic.Int64
	begun atomic.Uint64
	_     [48]byte
}

// cursor is how far round-robin has come; padded as a tally is.
type cursor struct {
	n atomic.Uint64
	_ [56]byte
}

// Counters are the live sessions of this balancer, by node and by service of a node, and the cursors of round-robin.
// They stand beside the tables and outlive them all. The zero value is ready. What vanished from the topology is
// kept as long as sessions are on it, and forgotten at the second topology without it.
type Counters struct {
	mu         sync.Mutex // guards the following
	generation uint64     // of the topology that is being laid out
	nodes      map[machine]*nodeCounters
	cursors    map[cursorKey]*datedCursor
}

// machine is what a node must keep to be the same one after a reload.
type machine struct {
	name, host string
	v4, v6     netip.Addr // as listed, whatever their families
}

func machineOf(n *config.Node) machine {
	m := machine{name: n.Name, host: n.Host}
	if len(n.Addresses) > 0 {
		m.v4 = n.Addresses[0]
	}
	if len(n.Addresses) > 1 {
		m.v6 = n.Addresses[1]
	}
	return m
}

type nodeCounters struct {
	all      *tally
	services []serviceCounter // a handful: a search is faster than a map
	used     uint64           // the last generation that had it
	room     []tally          // not given out yet
}

type serviceCounter struct {
	name string
	port uint16
	used uint64
	*tally
}

type cursorKey struct{ service, region string }

type datedCursor struct {
	cursor
	used uint64
}

// lay opens a generation, lets fill ask for counters, and forgets what nobody needs.
func (c *Counters) lay(fill func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nodes == nil {
		c.nodes, c.cursors = make(map[machine]*nodeCounters), make(map[cursorKey]*datedCursor)
	}
	c.generation++
	fill()
	c.forget()
}

// node returns the counters of a node; only inside lay, as the two after it.
func (c *Counters) node(n *config.Node) *nodeCounters {
	key := machineOf(n)
	counters := c.nodes[key]
	if counters == nil {
		room := make([]tally, 1+len(n.Services))
		counters = &nodeCounters{all: &room[0], services: make([]serviceCounter, 0, len(n.Services)), room: room[1:]}
		c.nodes[key] = counters
	}
	counters.used = c.generation
	return counters
}

func (n *nodeCounters) service(name string, port uint16) *tally {
	for i := range n.services {
		if s := &n.services[i]; s.name == name && s.port == port {
			s.used = n.used
			return s.tally
		}
	}
	if len(n.room) == 0 {
		n.room = make([]tally, 1)
	}
	fresh := &n.room[0]
	n.room = n.room[1:]
	n.services = append(n.services, serviceCounter{name: name, port: port, used: n.used, tally: fresh})
	return fresh
}

func (c *Counters) cursor(service, region string) *cursor {
	key := cursorKey{service, region}
	found := c.cursors[key]
	if found == nil {
		found = new(datedCursor)
		c.cursors[key] = found
	}
	found.used = c.generation
	return &found.cursor
}

// forget drops what two generations did not have and no session is on. One would not do: sessions that are being
// routed at this moment still hold the table before, and begin on what it has.
func (c *Counters) forget() {
	for key, n := range c.nodes {
		n.services = kept(n.services, c.stale)
		if c.stale(n.used) && n.all.n.Load() == 0 {
			delete(c.nodes, key)
		}
	}
	for key, cursor := range c.cursors {
		if c.stale(cursor.used) {
			delete(c.cursors, key)
		}
	}
}

func (c *Counters) stale(used uint64) bool { return used+1 < c.generation }

func kept(all []serviceCounter, stale func(uint64) bool) []serviceCounter {
	live := all[:0]
	for _, s := range all {
		if !stale(s.used) || s.n.Load() != 0 {
			live = append(live, s)
		}
	}
	clear(all[len(live):])
	return live
}
