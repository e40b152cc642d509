package proxy

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/routing"
	"posthouse/wire"
)

// commitMode is when a session belongs to a node for good. Until then any failure leads to the next one, unseen by the
// client.
type commitMode uint8

const (
	commitOnGreeting  commitMode = iota // the server speaks first: when its greeting welcomes us
	commitOnByte                        // after a hello: the node's first byte
	commitOnConnect                     // nothing can be known of the protocol
	commitOnHandshake                   // the same, but there is TLS with the node
)

func (s *session) commitMode() commitMode {
	switch {
	case s.service.TLS == config.Passthrough || s.challenge:
		return commitOnByte
	case s.service.Protocol.ServerFirst():
		return commitOnGreeting
	case s.service.node != nil:
		return commitOnHandshake
	}
	return commitOnConnect
}

// walk tries the candidates of a session until one takes it. A candidate that is silent for its hedge gets company; two
// are tried at a time at most. One refusal in words may be that node's verdict on the client, so one more node is heard; the
// words of the second refusal are passed on, or of the first if nobody else says anything. chance.go says how long all of that may
// take.
type walk struct {
	server     *Server
	session    *session
	approach   approach // the session's as it is now: it lets go of its own when it has its node, and losers are under way longer
	candidates routing.Candidates
	begun      *routing.Backend // the first one; it has counted the session in; nil: the first candidate
	given      *quickCall       // the attempt on it that a loop has begun; nil: none
	plain      bool             // without TLS, at the port where nodes speak plain HTTP
	mode       commitMode
	judge      func([]byte) wire.Verdict
	node       *nodeTLS // nil: no TLS of ours towards nodes
	topology   *config.Topology

	ctx     context.Context // of all attempts
	cancel  context.CancelFunc
	results chan *attempt // has room for two and once more for the refusal: no attempt ever waits

	flying    []*attempt
	refusal   *attempt
	exhausted bool      // there are no more candidates, or there is no time for them
	end       time.Time // of the walk, whoever is still silent then
	silent    bool      // a node has had all of its time and said nothing
	tried     int
	hedged    bool
	failed    strings.Builder // for the log: "node-1:refused node-2:silent", or "imap:changed"
	looked    time.Time       // when the client was last looked for
	look      time.Duration   // how long until the next time
}

func newWalk(s *session, table *routing.Table) *walk {
	w := &walk{server: s.server, session: s, approach: *s.approach, mode: s.commitMode(), judge: anyByte, look: lookFirst}
	w.topology = table.Topology()
	if !s.challenge {
		w.node = s.service.node
	}
	if w.mode == commitOnGreeting {
		w.judge = greetingOf(s.service.Protocol)
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.results = make(chan *attempt, 3)
	if w.looked = time.Now(); s.begun != nil {
		w.candidates, w.begun, w.looked, w.given = s.begun.candidates, s.begun.backend, s.begun.began, s.begun
		s.begun = nil
	} else {
		w.candidates = table.Route(routing.Request{Service: s.service.Name, Client: s.source.Addr(), Relayed: s.relayed})
	}
	w.end = w.looked.Add(longest(s.service.Timeouts))
	return w
}

// run returns the attempt that the session belongs to, greeted or refused, or why there is none.
func (w *walk) run() (*attempt, end) {
	defer w.dismiss()
	w.next()
	timer := time.NewTimer(w.patience())
	defer timer.Stop()
	for ; len(w.flying) > 0; timer.Reset(w.patience()) {
		select {
		case a := <-w.results:
			if winner := w.consider(a); winner != nil {
				return winner, underway
			}
		case <-timer.C:
			if w.clientLeft() {
				return nil, endLeft
			}
			w.hedge()
		case <-w.server.life.Done():
			return nil, endShutdown
		}
	}
	if a := w.refusal; a != nil {
		w.refusal = nil
		return a, underway
	}
	return nil, endNoNode
}

// next starts with the next candidate that is not full, if there is one and time for it.
func (w *walk) next() {
	now := time.Now()
	b := w.candidate(now)
	if b == nil {
		w.exhausted = true
		return
	}
	a := &attempt{walk: w, backend: b, began: now, until: w.until(b.Service, now), given: w.given}
	if w.given = nil; a.given != nil {
		a.began = a.given.began
	}
	w.flying = append(w.flying, a)
	w.tried++
	w.server.crew.do(func() {
		a.run(w.ctx)
		w.results <- a
	})
}

// candidate is the next one, which has counted the session in, or nil.
func (w *walk) candidate(now time.Time) *routing.Backend {
	b := w.begun
	w.begun = nil
	for b == nil {
		if w.tried > 0 && !now.Before(w.end) {
			return nil
		}
		if b = w.candidates.Next(); b == nil {
			return nil
		}
		if w.tried > 0 && w.session.barred(b) || !b.Begin() {
			b = nil
		}
	}
	if w.session.another(b.Service) {
		b.End()
		w.note(b.Service.Name, "changed")
		return nil
	}
	return b
}

// barred says whether a mark or a reload took a backend away since the candidates were chosen, which may be many seconds ago.
func (s *session) barred(b *routing.Backend) bool {
	table := s.server.Router.Table()
	return !s.changed(table) && table.Barred(b) != ""
}

// another says whether a reload gave the service another protocol, or another end to its TLS, when the session had begun. Its nodes
// do not expect what the session speaks then, so it ends with our words; the client's next one is of the new kind. What else a
// reload changes counts at once.
func (s *session) another(now *config.Service) bool {
	began := s.service.Service
	return now != began && (now.Protocol != began.Protocol || now.TLS != began.TLS)
}

// consider takes the result of an attempt. It returns the attempt that ends the walk, or goes on with the next candidate.
func (w *walk) consider(a *attempt) *attempt {
	w.land(a)
	m := w.session.service.metrics
	if a.conn != nil {
		m.connect.Observe(a.connected.Seconds())
	}
	switch a.outcome {
	case greeted:
		m.greeting.Observe(a.answered.Seconds())
		return a
	case refused:
		m.failed(stageRefusal)
		w.note(a.backend.Node.Name, a.reason)
		if w.refusal != nil {
			return a
		}
		w.refusal = a
	default:
		w.count(a)
		w.note(a.backend.Node.Name, a.reason)
		w.silent = w.silent || a.reason == silence
		a.leave()
	}
	if len(w.flying) == 0 {
		w.next()
	}
	return nil
}

// count reports a failure. What is our own fault says nothing about the node.
func (w *walk) count(a *attempt) {
	m := w.session.service.metrics
	switch {
	case a.outcome == own:
		m.failed(stageOwn)
		return
	case a.conn == nil:
		m.failed(stageConnect)
	case w.node != nil && a.secure == nil:
		m.failed(stageNodeTLS)
	default:
		m.failed(stageGreeting)
	}
	w.server.suspect(a.backend)
}

func (w *walk) note(who, why string) {
	if w.failed.Len() > 0 {
		w.failed.WriteByte(' ')
	}
	w.failed.WriteString(who + ":" + why)
}

func (w *walk) land(a *attempt) {
	for i := range w.flying {
		if w.flying[i] == a {
			w.flying = append(w.flying[:i], w.flying[i+1:]...)
			return
		}
	}
}

// hedge dials the next candidate beside one that has been silent for too long.
func (w *walk) hedge() {
	if len(w.flying) != 1 || !w.flying[0].slow() {
		return
	}
	before := w.tried
	if w.next(); w.tried > before {
		w.hedged = true
		w.session.service.metrics.hedges.Inc()
	}
}

// target is where a node is dialled. The other balancer that a node may stand for has its own way with a challenge.
func (w *walk) target(b *routing.Backend, address netip.AddrPort) netip.AddrPort {
	if w.plain && !b.Node.Balancer && nodeSpeaksTLS(b.Service) {
		return netip.AddrPortFrom(address.Addr(), plainPort)
	}
	if !w.approach.challenge || b.Node.Balancer {
		return address
	}
	return netip.AddrPortFrom(address.Addr(), challengePort(w.topology, b.Node, b.Service))
}

// partingWords are what a node hears that has greeted and is not needed.
func (w *walk) partingWords() []byte {
	if w.mode != commitOnGreeting {
		return nil
	}
	return []byte(partingWords(w.session.service.Protocol))
}

// dismiss ends what is still under way: the losers hang up politely, in their own time.
func (w *walk) dismiss() {
	w.cancel()
	if w.refusal != nil {
		w.flying = append(w.flying, w.refusal)
		w.results <- w.refusal
	}
	for _, a := range w.flying {
		if a != w.refusal && a.slow() { // it lost to a hedge: its probes shall say why
			w.server.suspect(a.backend)
		}
	}
	losers := len(w.flying)
	if losers == 0 {
		return
	}
	w.server.running.Add(1)
	go func() {
		defer w.server.running.Done()
		for range losers {
			(<-w.results).leave()
		}
	}()
}
