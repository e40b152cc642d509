package routing

import (
	"net/netip"
	"time"

	"posthouse/config"
)

// Backend is a node at a port: one service on one node, as a session or a status page sees it. It is immutable but for
// its counters, which all tables share. A session may hold its Backend for days, so it leads to its node and its
// service only, never to the table that it came from.
type Backend struct {
	Node    *config.Node
	Service *config.Service
	Addrs   []netip.AddrPort    // one, or an IPv4 and an IPv6 one, dialled in order; empty: the host name is not resolved
	Proxy   config.ProxyVersion // the header to write; always v2 to a balancer
	Health  config.Health

	sessions *tally // of this service on this node
	node     *tally // of all services of this node
	limit    int64  // of all services of this node; 0 = none
}

// Target names what the backend is, for reports.
func (b *Backend) Target() config.Target {
	return config.Target{Node: b.Node.Name, Service: b.Service.Name}
}

// with is the backend in another state of health.
func (b *Backend) with(h config.Health) *Backend {
	next := *b
	next.Health = h
	return &next
}

// at is the backend at other addresses.
func (b *Backend) at(addrs []netip.Addr) *Backend {
	next := *b
	next.dial(addrs)
	return &next
}

// dial gives a backend that nobody else has yet the addresses of its node.
func (b *Backend) dial(addrs []netip.Addr) {
	if len(addrs) > 0 {
		b.Addrs = appendAt(make([]netip.AddrPort, 0, len(addrs)), addrs, b.Node.Port(b.Service))
	}
}

func appendAt(to []netip.AddrPort, addrs []netip.Addr, port uint16) []netip.AddrPort {
	for _, a := range addrs {
		to = append(to, netip.AddrPortFrom(a, port))
	}
	return to
}

// Begin counts a session in. It is false, and nothing is counted, when the node has max_sessions already; the caller
// tries the next candidate. Every Begin that was true needs one End.
func (b *Backend) Begin() bool {
	if n := b.node.n.Add(1); b.limit > 0 && n > b.limit {
		b.node.n.Add(-1)
		return false
	}
	b.sessions.n.Add(1)
	b.sessions.begun.Add(1)
	return true
}

// End counts a session out. It is right on the Backend of any table, however old.
func (b *Backend) End() {
	b.sessions.n.Add(-1)
	b.node.n.Add(-1)
}

// Sessions is how many sessions of this service this balancer has on the node.
func (b *Backend) Sessions() int64 { return b.sessions.n.Load() }

// Begun is how many sessions of this service this balancer has had on the node, those that live included.
func (b *Backend) Begun() uint64 { return b.sessions.begun.Load() }

// full says whether the node has max_sessions, all its services together.
func (b *Backend) full() bool { return b.limit > 0 && b.node.n.Load() >= b.limit }

const (
	hedgeFactor = 3                      // of the greeting that probes see: less would hedge nodes that merely have a busy moment
	hedgeLeast  = 500 * time.Millisecond // less would double the connections to a cluster that has a hiccup
	hedgeMost   = 5 * time.Second        // more, and clients give up before the second node is asked
)

// Hedge is how long the node may be silent before the next candidate is dialled beside it; 0 is never. Of a node whose
// greeting nobody has seen yet it is the least one: a hedge too many costs one connection, a hedge too late costs the
// client, and the first probes are in within a second.
func (b *Backend) Hedge() time.Duration {
	hedge := b.Service.Timeouts.Hedge
	if !hedge.Auto {
		return hedge.After
	}
	return min(max(hedgeFactor*b.Health.Greeting, hedgeLeast), hedgeMost)
}
