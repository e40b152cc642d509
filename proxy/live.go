package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// registry is the sessions that live, in no order.
type registry struct {
	mu  sync.Mutex // guards the following, and index of each session
	all []*session
}

func (r *registry) add(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.index = len(r.all)
	r.all = append(r.all, s)
}

// remove moves the last session to the free place.
func (r *registry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.all) - 1
	r.all[s.index] = r.all[last]
	r.all[s.index].index = s.index
	r.all[last] = nil
	r.all = r.all[:last]
}

func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// relayed are the sessions that have a node.
func (r *registry) relayed() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	some := make([]*session, 0, len(r.all))
	for _, s := range r.all {
		if s.relay.Load() != nil {
			some = append(some, s)
		}
	}
	return some
}

// Session is what can be told of a session that has a node.
type Session struct {
	ID      string
	Service string
	Client  netip.AddrPort
	Node    string
	Region  string
	Since   time.Time     // when the client connected
	Up      int64         // bytes from the client so far
	Down    int64         // bytes from the node so far
	Silent  time.Duration // since a byte last moved
}

// Sessions is how many sessions live, those that wait for a node included.
func (s *Server) Sessions() int { return s.live.count() }

// List tells of every session and every HTTP request that has a node, in no order.
func (s *Server) List() []Session {
	relayed := s.live.relayed()
	list := make([]Session, len(relayed))
	for i, n := range relayed {
		facts := n.relay.Load().Facts()
		list[i] = Session{
			ID: n.id, Service: n.service.Name, Client: n.source, Node: n.backend.Node.Name, Region: n.backend.Node.Region,
			Since: n.began, Up: n.passed + facts.Up, Down: facts.Down, Silent: facts.Silent,
		}
	}
	return append(list, s.requests()...)
}

// requests are those that HTTP conversations have in flight. Bytes are of all that the client has asked for.
func (s *Server) requests() []Session {
	var list []Session
	for _, c := range s.live.conversing() {
		f := c.watch.inFlight()
		if f.backend == nil {
			continue
		}
		list = append(list, Session{
			ID: c.session.id, Service: f.backend.Service.Name, Client: c.session.source,
			Node: f.backend.Node.Name, Region: f.backend.Node.Region, Since: f.since, Up: c.up.Load(), Down: c.down.Load(),
		})
	}
	return list
}
