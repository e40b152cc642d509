package proxy

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/routing"
	"posthouse/wire"
)

// session is one client from accept to the relay's end. Until the relay one goroutine has it; after that it is what the log
// line at the end needs.
type session struct {
	server  *Server
	front   *front
	service *service // of several on one address the first, until the hello tells
	*approach

	id       sessionID
	took     steps
	source   netip.AddrPort // the client: the peer, or what its PROXY header says
	ticket   ticket
	began    time.Duration // since base
	backend  *routing.Backend
	address  *netip.AddrPort // the one of backend that took it
	attempts int16
	probe    bool // the peer's own connection, says its header
	relayed  bool // a balancer of another region, or a probe of it, sent it
	counted  bool // in the metrics of service
	hedged   bool
	refused  bool
	later    bool  // TLS began inside the session; the log's alone
	index    int32 // in the registry; the registry's
	fate     atomic.Uint32

	linked link
	relay  atomic.Pointer[link]         // linked; nil: not yet, and what is above does not change once it is set
	http   atomic.Pointer[conversation] // while requests are read here
}

// approach is how a client comes in: what is not needed, or no news, once a usual session has its node. Idle sessions are most of what
// a balancer holds, so theirs is shared (direct).
type approach struct {
	client      *net.TCPConn   // nil: with the relay
	peer        netip.AddrPort // who connected to us
	destination netip.AddrPort // what the client came to: our address, or what its PROXY header says
	parent      string         // the id that the peer gave
	hello       *hello         // until the relay; nil: no TLS
	secure      *tls.Conn      // the client's TLS, where it ends here; nil: none, or it is passed through
	alerted     bool           // an alert may be on its way to the client, which a reset would take from it
	clientTLS   *wire.ProxyTLS // what a node is told of it
	challenge   bool           // hello is acme-tls/1 for a node
	resumed     bool
	early       []byte // what the client has said before it had a node, as far as it was read: inside TLS, or on a loop of the relay
	serverName  string
	alpn        string
	tlsVersion  string
	begun       *quickCall // the first attempt, where a loop of the relay has begun it
	mark        time.Time  // see lap
	heard       struct{ header, hello time.Duration }
	passed      int64  // bytes of the hello, which went to the node before the relay
	failed      string // nodes that were tried in vain, and why
}

// direct is the approach of every client that connected without TLS or a PROXY header, once it has its node. Nobody writes to it.
var direct = new(approach)

// approaches are those of sessions that go on with direct.
var approaches = sync.Pool{New: func() any { return new(approach) }}

// goDirect is called when the session has a node, before others may look at it.
func (s *session) goDirect() {
	*s.approach = approach{}
	approaches.Put(s.approach)
	s.approach = direct
}

// steps is how long the last parts of the way took; walk is all of it.
type steps struct{ connect, greeting, walk micros }

// micros is a time in microseconds: 71 minutes at most.
type micros uint32

func microsOf(d time.Duration) micros { return micros(min(d.Microseconds(), math.MaxUint32)) }

func (m micros) duration() time.Duration { return time.Duration(m) * time.Microsecond }

func newSession(s *Server, c *net.TCPConn, f *front) *session {
	n := newcomer(s, f, addressOf(c.RemoteAddr()), addressOf(c.LocalAddr()), time.Now())
	n.client = c
	return n
}

// newcomer is the session of a client of which no more is known than its addresses.
func newcomer(s *Server, f *front, peer, destination netip.AddrPort, now time.Time) *session {
	a := approaches.Get().(*approach)
	a.peer, a.destination, a.mark = peer, destination, now
	return &session{server: s, front: f, service: f.services[0], id: s.ids.next(now), began: now.Sub(base), source: peer, approach: a}
}

// age is how long ago the client connected.
func (s *session) age(now time.Time) time.Duration { return now.Sub(base) - s.began }

func addressOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return plain(tcp.AddrPort())
	}
	return netip.AddrPort{}
}

// serve takes the client from accept to the relay, which goes on without this goroutine.
func (s *session) serve() {
	s.through(
		(*session).identify, // read the PROXY header of a peer that must send one
		(*session).allowed,  // allow, deny
		(*session).admit,    // limits, where the service is known
		(*session).meet,     // read the hello where TLS begins, and find the service
		(*session).admit,    // limits, where the hello told
		(*session).route,    // find the node that takes it, or one for each request
	)
}

// through goes as far as all is well with the client.
func (s *session) through(steps ...func(*session) end) {
	for _, step := range steps {
		if why := step(s); why != underway {
			s.makeAudible(why)
			s.turnAway(why)
			return
		}
	}
}

// identify finds out who the client is.
func (s *session) identify() end {
	if !s.front.trusted.contains(s.peer.Addr()) {
		return underway
	}
	var from origin
	var err error
	if !s.reading(headerTime, func() { from, err = readOrigin(s.client) }) {
		return endShutdown
	}
	s.heard.header = s.lap()
	if err == errLeft {
		return endLeft
	}
	if err != nil {
		s.service.metrics.failed(stageProxyHeader)
		s.server.Log.Debug("PROXY header", "id", s.id.String(), "peer", s.peer.String(), "why", err.Error())
		return endProxyHeader
	}
	s.probe, s.relayed, s.parent = from.local, from.local || from.relayed, from.parent
	if from.source.IsValid() {
		s.source, s.destination = from.source, from.destination
	}
	return underway
}

// allowed applies allow and deny. A trusted peer's own connections are its probes: a peer whose probes are refused would
// believe that this region is down.
func (s *session) allowed() end {
	a := s.source.Addr()
	switch {
	case s.probe:
		return underway
	case s.server.denied.has(a, s.mark), refusal(&s.front.allow, &s.front.deny, a) != "":
		return endDenied
	}
	return underway
}

// admit applies the limits of the service, once.
func (s *session) admit() end {
	if s.counted || s.converses() || s.front.sole() == nil && s.front.tls && s.hello == nil && s.secure == nil {
		return underway
	}
	s.count()
	if s.probe {
		s.ticket = s.service.limiter.beginProbe()
		return underway
	}
	var ok bool
	if s.ticket, ok = s.service.limiter.begin(s.source.Addr(), s.mark); !ok {
		return endLimit
	}
	return underway
}

func (s *session) count() {
	if !s.counted {
		s.counted = true
		s.service.metrics.started.Inc()
		s.service.metrics.live.Inc()
	}
}

// meet reads the client's hello, and makes the handshake where TLS ends here.
func (s *session) meet() end {
	switch {
	case !s.front.tls:
		return underway
	case s.front.endsTLS:
		return s.endTLS()
	}
	var h *hello
	var err error
	if !s.reading(helloTime, func() { h, err = readHello(s.client) }) {
		return endShutdown
	}
	s.heard.hello = s.lap()
	if err != nil {
		return s.unreadable(h, err)
	}
	s.hello, s.serverName, s.tlsVersion = h, sayable(h.serverName), h.tlsVersion()
	if service := s.front.named(h.serverName); service != nil {
		s.service = service
		return underway
	}
	return endServerName
}

// unreadable tells a client that left without a byte, as port monitors do, from one that does not speak TLS.
func (s *session) unreadable(h *hello, err error) end {
	if len(h.raw) == 0 && !isTimeout(err) {
		return endLeft
	}
	s.service.metrics.failed(stageHello)
	s.server.Log.Debug("hello", "id", s.id.String(), "peer", s.peer.String(), "why", err.Error())
	return endHello
}

// sayable is a name as it may stand in a log: no longer than a host name.
func sayable(name string) string { return name[:min(len(name), 255)] }

// route hands the session on: to the relay, or to a conversation where HTTP is read here.
func (s *session) route() end {
	if s.converses() {
		return s.converse()
	}
	return s.walk()
}

// walk finds the node and hands the session to the relay.
func (s *session) walk() end {
	w := newWalk(s, s.table())
	a, why := w.run()
	s.took.walk = microsOf(s.lap())
	s.attempts, s.hedged, s.failed = int16(w.tried), w.hedged, w.failed.String()
	if why != underway {
		return why
	}
	address := a.address // alone: the attempt is not to be kept
	s.backend, s.address, s.refused = a.backend, &address, a.outcome == refused
	s.took.connect, s.took.greeting = microsOf(a.connected), microsOf(a.answered)
	if s.hello != nil {
		s.passed, s.hello = int64(len(s.hello.raw)), nil
	}
	s.hand(a)
	return underway
}

// table is the one in effect; or, where a reload has made another service of the session's while its header or hello was read, the one
// before it: the nodes that it knows are most likely still there, and expect what the client speaks.
func (s *session) table() *routing.Table {
	table := s.server.Router.Table()
	previous := s.server.previous.Load()
	if previous != nil && s.changed(table) && !s.changed(previous) {
		return previous
	}
	return table
}

// changed says whether the session's service is gone from a table, or has another protocol there or another end to its TLS.
func (s *session) changed(table *routing.Table) bool {
	if table.Topology() == s.service.topology {
		return false
	}
	now := table.Topology().Service(s.service.Name)
	return now == nil || now.Protocol != s.service.Protocol || now.TLS != s.service.TLS
}

// turnAway ends a session that no node took: with words where the protocol has some for the occasion.
func (s *session) turnAway(why end) {
	s.count()
	s.log(why, 0, 0)
	var last []byte
	if !s.front.tls || s.secure != nil {
		last = s.words(why)
	}
	switch {
	case s.secure != nil:
		partSecure(s.secure, s.client, last)
	case last != nil, why == endNoNode, why == endShutdown, s.alerted:
		part(s.client, last)
	default:
		s.client.Close()
	}
	s.finish()
}

func (s *session) words(why end) []byte {
	p, cluster := s.service.Protocol, s.service.topology.Cluster
	switch why {
	case endNoNode, endShutdown:
		return words(p, cluster, unavailable)
	case endLimit:
		return words(p, cluster, tooMany)
	case endDenied:
		return words(p, cluster, notAllowed)
	}
	return nil
}

func (s *session) finish() {
	s.ticket.end()
	s.service.metrics.live.Dec()
	s.server.over(s)
}

// reading runs a step that reads from the client and is bounded in time. It is false when the process ends meanwhile.
func (s *session) reading(limit time.Duration, step func()) bool {
	s.client.SetReadDeadline(time.Now().Add(limit))
	stop := context.AfterFunc(s.server.life, func() { s.client.SetReadDeadline(past) })
	step()
	if !stop() {
		return false
	}
	s.client.SetReadDeadline(time.Time{})
	return true
}

// past as a deadline makes every read return.
var past = time.Unix(1, 0)

// lap is the time since the last one.
func (s *session) lap() time.Duration {
	now := time.Now()
	d := now.Sub(s.mark)
	s.mark = now
	return d
}
