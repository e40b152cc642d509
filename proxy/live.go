package proxy

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"time"

	"posthouse/proxy/relay"
	"posthouse/routing"
)

// registry is the sessions that live, in no order.
type registry struct {
	mu    sync.Mutex // guards the following, and index of each session
	all   []*session
	moves int // sessions that were given another place
}

func (r *registry) add(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.index = int32(len(r.all))
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
	r.moves++
}

func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// stretch is how many sessions are looked through before those that wait to begin or end get their turn: some microseconds.
const stretch = 1024

// some are the sessions that live and that keep says yes to. It looks through them from the end, a stretch at a time: what
// moves meanwhile moves towards the beginning, so nobody is missed who was there before and is after. keep is called with mu held.
func (r *registry) some(keep func(*session) bool) []*session {
	var found []*session
	r.mu.Lock()
	defer r.mu.Unlock()
	moves, next := r.moves, len(r.all)
	for next > 0 {
		first := max(next-stretch, 0)
		for _, s := range r.all[first:next] {
			if keep(s) {
				found = append(found, s)
			}
		}
		r.mu.Unlock()
		r.mu.Lock()
		next = min(first, len(r.all))
	}
	if r.moves != moves && len(found) > 0 {
		found = distinct(found)
	}
	return found
}

// distinct is each of them once: who has moved may have been met twice.
func distinct(all []*session) []*session {
	met := make(map[*session]bool, len(all))
	return slices.DeleteFunc(all, func(s *session) bool {
		again := met[s]
		met[s] = true
		return again
	})
}

// relayed are the sessions that have a node.
func (r *registry) relayed() []*session {
	return r.some(func(s *session) bool { return s.relaying() != nil })
}

// conversing are the conversations that live.
func (r *registry) conversing() []*conversation {
	var all []*conversation
	for _, s := range r.some(func(s *session) bool { return s.http.Load() != nil }) {
		if c := s.http.Load(); c != nil {
			all = append(all, c)
		}
	}
	return all
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

// Filter chooses sessions. The zero value chooses all.
type Filter struct {
	routing.Subject
	Client netip.Prefix // the zero value: everybody
}

func (f *Filter) has(b *routing.Backend, client netip.AddrPort) bool {
	return f.Covers(b) && f.whoever(client)
}

func (f *Filter) whoever(client netip.AddrPort) bool {
	return !f.Client.IsValid() || f.Client.Contains(client.Addr())
}

// List tells of the sessions and HTTP requests that have a node and that a filter chooses, by id: at most limit of those that come
// after an id, and how many there are in all.
func (s *Server) List(f Filter, after string, limit int) (page []Session, all int) {
	found := s.live.some(func(n *session) bool {
		return n.relaying() != nil && f.has(n.backend, n.source) || n.http.Load() != nil && f.whoever(n.source)
	})
	found = slices.DeleteFunc(found, func(n *session) bool { return !n.matches(&f) })
	for _, n := range lowest(found, after, limit) {
		if row, ok := n.tell(); ok {
			page = append(page, row)
		}
	}
	return page, len(found)
}

// lowest are the first of those behind an id, in order. Of a hundred thousand a page is wanted: they are not all sorted.
func lowest(all []*session, after string, limit int) []*session {
	page := make([]*session, 0, limit+1)
	for _, s := range slices.Backward(all) { // about in the order of their ids: few are put in and pushed out again
		if string(s.id[:]) <= after || len(page) == limit && byID(s, page[limit-1]) > 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(page, s, byID)
		page = slices.Insert(page, i, s)
		page = page[:min(len(page), limit)]
	}
	return page
}

func byID(a, b *session) int { return bytes.Compare(a.id[:], b.id[:]) }

// matches says whether a filter chooses a session that has a node, or a conversation for the request that it has in flight.
func (s *session) matches(f *Filter) bool {
	if s.relaying() != nil {
		return f.has(s.backend, s.source)
	}
	c := s.http.Load()
	if c == nil {
		return false
	}
	b := c.watch.inFlight().backend
	return b != nil && f.has(b, s.source)
}

// tell is the row of a session; false: it has no node any more. Bytes of a conversation are of all that its client has asked for.
func (s *session) tell() (Session, bool) {
	if l := s.relaying(); l != nil {
		facts := l.Facts()
		return Session{
			ID: s.id.String(), Service: s.backend.Service.Name, Client: s.source, Node: s.backend.Node.Name, Region: s.backend.Node.Region,
			Since: s.id.began(), Up: s.passed + facts.Up, Down: facts.Down, Silent: facts.Silent,
		}, true
	}
	c := s.http.Load()
	if c == nil {
		return Session{}, false
	}
	flight := c.watch.inFlight()
	if flight.backend == nil {
		return Session{}, false
	}
	return Session{
		ID: s.id.String(), Service: flight.backend.Service.Name, Client: s.source,
		Node: flight.backend.Node.Name, Region: flight.backend.Node.Region, Since: flight.since, Up: c.up.Load(), Down: c.down.Load(),
	}, true
}

// Kill ends the sessions that a filter chooses, whatever they are doing, and says how many there were. A client's HTTP connection
// counts where a request is in flight on what is chosen, or where only clients are.
func (s *Server) Kill(f Filter) int {
	killed := 0
	for _, n := range s.live.some(func(n *session) bool { return n.relaying() != nil || n.http.Load() != nil }) {
		if n.kill(&f) {
			killed++
		}
	}
	return killed
}

func (s *session) kill(f *Filter) bool {
	if l := s.relaying(); l != nil {
		if !f.has(s.backend, s.source) || !s.fate.CompareAndSwap(0, fateKilled) { // one that was killed already is on its way out
			return false
		}
		l.Close(relay.Cut)
		return true
	}
	c := s.http.Load()
	if c == nil || !f.whoever(s.source) {
		return false
	}
	return c.watch.stopOn(f.Subject, endKilled)
}
