package proxy

import (
	"cmp"
	"math"
	"slices"
	"time"

	"posthouse/proxy/relay"
	"posthouse/routing"
)

// How a process ends: sessions without a node have got our words by now. Of the others we know only who spoke last, whether
// a line ended and how long ago. They may leave by themselves until the deadline. Meanwhile those are closed that have been
// quiet for long enough, the longest first, spread evenly over most of the time, so that the clients do not all come
// back elsewhere in one second. Long enough is 30 s at first, where the client is surely not in the middle of anything.
// As everything is cut at the deadline in any case, a short silence is better than none: what is asked for falls
// evenly to a second (five where the last line did not end, or was not seen) at half of the time.
const (
	quietMost  = 30 * time.Second
	quietLeast = time.Second
	quietBlind = 5 * time.Second // no line end was seen

	drainTick = 100 * time.Millisecond
)

// drain ends the sessions of the process, or of a part of the nodes.
type drain struct {
	server   *Server
	subject  routing.Subject // the zero value: the process
	began    time.Time
	deadline time.Duration

	quiet    int               // sessions that were closed at a quiet moment
	cut      int               // sessions that were closed at the deadline
	met      map[*session]bool // true: closed
	sessions pace
	talks    map[*conversation]leaving
	streams  pace
}

func newDrain(s *Server, subject routing.Subject, deadline time.Duration) *drain {
	return &drain{server: s, subject: subject, began: time.Now(), deadline: deadline,
		met: make(map[*session]bool), talks: make(map[*conversation]leaving)}
}

func (d *drain) whole() bool { return d.subject == routing.Subject{} }

// drain returns when no session has a node any more.
func (s *Server) drain(deadline time.Duration) {
	d := newDrain(s, routing.Subject{}, deadline)
	all, relayed := s.Sessions(), len(s.live.relayed())+len(s.live.conversing())
	if all == 0 {
		return
	}
	quiet, cut := int(s.partings.quiet.Load()), int(s.partings.cut.Load())
	s.events().Info("draining", "event", "drain-began", "subject", "process", "sessions", relayed, "without_node", all-relayed, "deadline", deadline.String())
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for s.Sessions() > 0 {
		d.step()
		d.tell(relayed, quiet, cut)
		<-tick.C
	}
	end := d.tell(relayed, quiet, cut)
	s.events().Info("drained", "event", "drain-ended", "subject", "process",
		"left_by_themselves", end.Left, "closed_quiet", end.Quiet, "cut", end.Cut,
		"took", time.Since(d.began).Round(time.Millisecond).String())
}

// tell says how far the drain of the process is, of so many sessions. Conversations count how they part themselves: quiet and cut are what they
// had counted before.
func (d *drain) tell(sessions, quiet, cut int) Drained {
	s := d.server
	now := Drained{
		Sessions: sessions, Open: s.Sessions(),
		Quiet: d.quiet + int(s.partings.quiet.Load()) - quiet, Cut: d.cut + int(s.partings.cut.Load()) - cut,
	}
	now.Left = max(sessions-now.Open-now.Quiet-now.Cut, 0)
	if s.Ending != nil {
		s.Ending(now)
	}
	return now
}

func (d *drain) step() {
	passed := time.Since(d.began)
	d.goodbyes(passed)
	open := d.open()
	if passed >= d.deadline {
		d.cut += d.close(open, relay.Cut)
		return
	}
	due := d.sessions.due(len(open), passed, d.deadline)
	quiet := d.eligible(open, passed)
	d.quiet += d.close(quiet[:min(len(quiet), due)], relay.Drained)
}

// open are the sessions that were not told to end yet.
func (d *drain) open() []*session {
	return d.server.live.some(func(n *session) bool { return n.relaying() != nil && !d.met[n] && d.subject.Covers(n.backend) })
}

// eligible are those that are quiet enough, the longest silence first.
func (d *drain) eligible(open []*session, passed time.Duration) []*session {
	silence := make(map[*session]time.Duration)
	quiet := slices.DeleteFunc(open, func(n *session) bool {
		facts := n.relay.Load().Facts()
		silence[n] = facts.Silent
		return !quietEnough(facts, n.opaque(), passed, d.deadline)
	})
	slices.SortFunc(quiet, func(a, b *session) int { return cmp.Compare(silence[b], silence[a]) })
	return quiet
}

// opaque says whether the line ends of a session that has a node cannot be seen.
func (s *session) opaque() bool { return s.front.tls && s.secure == nil || s.converses() }

// quietEnough decides about one session when so much of the time has passed. opaque: line ends cannot be seen.
func quietEnough(f relay.Facts, opaque bool, passed, deadline time.Duration) bool {
	least := quietLeast
	if !f.LineEnded && !opaque && !f.TLS {
		least = quietBlind
	}
	need := least
	if half := deadline / 2; passed < half {
		need += time.Duration(float64(quietMost-least) * (1 - float64(passed)/float64(half)))
	}
	return f.Flushed && f.NodeSpokeLast && f.Silent >= need
}

// pace spreads what is to be ended evenly over four fifths of a drain's time.
type pace struct{ most int } // that there were at a time

// due is how many of those that are left may be ended now. Those that left by themselves were ended, too.
func (p *pace) due(left int, passed, deadline time.Duration) int {
	p.most = max(p.most, left)
	part := min(float64(passed)/(float64(deadline)*4/5), 1)
	ended := int(math.Ceil(float64(p.most) * part))
	return min(max(ended-(p.most-left), 0), left)
}

func (d *drain) close(sessions []*session, why relay.End) int {
	for _, n := range sessions {
		d.met[n] = true
		n.relay.Load().Close(why)
	}
	return len(sessions)
}
