package proxy

import (
	"time"

	"posthouse/proxy/relay"
)

// What becomes of a session that has a node.
const (
	fateKilled = 1 << iota // an operator has ended it
	fateOver               // its sockets are closed, and the clerk has still to write it down
)

// hand gives the sockets to the relay. The session is the relay's when it returns, and may be over.
func (s *session) hand(a *attempt) {
	s.client.SetDeadline(time.Time{})
	a.conn.SetDeadline(time.Time{})
	client, node, first := side{s.client, s.secure}, side{a.conn, a.secure}, said{s.early, a.first}
	if s.client, s.early = nil, nil; s.unremarkable() {
		s.approach = direct
	}
	s.follow(s.server.join(client, node, first, a.backend.Service.Timeouts.Idle, s))
	s.killIfDenied()
}

// unremarkable says whether the client came as most do, so that nothing of it has to be kept for the log.
func (s *session) unremarkable() bool {
	return s.peer == s.source && s.secure == nil && s.serverName == "" && s.tlsVersion == "" && s.parent == "" && s.failed == "" &&
		s.passed == 0 && s.heard.header == 0
}

// follow is called when the bytes are somebody else's to move.
func (s *session) follow(r relayed) {
	s.linked = link{r}
	s.relay.Store(&s.linked)
}

// relaying is where the session's bytes are moved; nil: it has no node yet, or none any more.
func (s *session) relaying() *link {
	if s.fate.Load()&fateOver != 0 {
		return nil
	}
	return s.relay.Load()
}

// killIfDenied is for who was denied since it came: a kill of all that had a node has missed it.
func (s *session) killIfDenied() {
	if !s.probe && s.server.denied.any() && s.server.denied.has(s.source.Addr(), time.Now()) {
		s.kill(new(Filter))
	}
}

// Ended is called on a thread of the relay that other sessions wait for, so the clerk does what may wait for the log.
func (s *session) Ended(r relay.Result) {
	s.fate.Or(fateOver)
	s.backend.End()
	s.ticket.end()
	s.ticket = ticket{}
	s.server.clerk.add(s, r)
}

func (s *session) conclude(r relay.Result, at time.Time) {
	why := s.ended(r.End)
	if s.refused && why != endCut && why != endDrained && why != endKilled {
		why = endRefused
	}
	s.later = r.TLS && s.tlsVersion == ""
	s.logAt(at, why, s.passed+r.Up, r.Down)
	s.finish()
}

// ended is what the relay's end is called.
func (s *session) ended(why relay.End) end {
	if why == relay.Cut && s.fate.Load()&fateKilled != 0 {
		return endKilled
	}
	return relayEnds[why]
}
