package proxy

import (
	"slices"
	"time"

	"posthouse/proxy/relay"
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

// drain is one end of a process.
type drain struct {
	server   *Server
	began    time.Time
	deadline time.Duration
	quiet    int // sessions that were closed at a quiet moment
	cut      int // sessions that were closed at the deadline
	closed   map[*session]bool
	told     map[*conversation]bool // to end, between requests or events
}

// drain returns when no session has a node any more.
func (s *Server) drain(deadline time.Duration) {
	d := &drain{server: s, began: time.Now(), deadline: deadline, closed: make(map[*session]bool), told: make(map[*conversation]bool)}
	all, relayed := s.Sessions(), len(s.live.relayed())+len(s.live.conversing())
	if all == 0 {
		return
	}
	s.Log.Info("draining", "sessions", relayed, "without_node", all-relayed, "deadline", deadline.String())
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for s.Sessions() > 0 {
		d.step()
		<-tick.C
	}
	d.quiet += int(s.partings.quiet.Load())
	d.cut += int(s.partings.cut.Load())
	s.Log.Info("drained", "left_by_themselves", max(relayed-d.quiet-d.cut, 0), "closed_quiet", d.quiet, "cut", d.cut,
		"took", time.Since(d.began).Round(time.Millisecond).String())
}

func (d *drain) step() {
	passed := time.Since(d.began)
	d.goodbyes(passed)
	if passed >= d.deadline {
		d.cut += d.close(d.open(), relay.Cut)
		return
	}
	quiet := d.eligible(passed)
	d.quiet += d.close(quiet[:min(len(quiet), d.share(passed))], relay.Drained)
}

// open are the sessions that were not told to end yet.
func (d *drain) open() []*session {
	return slices.DeleteFunc(d.server.live.relayed(), func(n *session) bool { return d.closed[n] })
}

// eligible are those that are quiet enough, the longest silence first.
func (d *drain) eligible(passed time.Duration) []*session {
	silence := make(map[*session]time.Duration)
	quiet := slices.DeleteFunc(d.open(), func(n *session) bool {
		facts := n.relay.Load().Facts()
		silence[n] = facts.Silent
		return !quietEnough(facts, n.front.tls || n.converses(), passed, d.deadline)
	})
	slices.SortFunc(quiet, func(a, b *session) int { return int(silence[b] - silence[a]) })
	return quiet
}

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

// share is how many sessions may be closed in this tick, so that all that live would be closed by four fifths of the time.
func (d *drain) share(passed time.Duration) int { return d.shareOf(len(d.open()), passed) }

func (d *drain) shareOf(open int, passed time.Duration) int {
	left := d.deadline*4/5 - passed
	ticks := max(int(left/drainTick), 1)
	return (open + ticks - 1) / ticks
}

func (d *drain) close(sessions []*session, why relay.End) int {
	for _, n := range sessions {
		d.closed[n] = true
		n.relay.Load().Close(why)
	}
	return len(sessions)
}
