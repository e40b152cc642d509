package relay

import (
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a session on a loop. What is not atomic is the loop's.
type pair struct {
	loop         *loop
	owner        Owner
	call         *Call // nil: settled
	client, node side
	secured      *secured // nil: no TLS of ours
	idle         time.Duration
	half         time.Duration // when a side ended; below 0: none has
	until        time.Duration // how long an unwanted side is read
	number       int32         // nobody: not yet, or over
	end          atomic.Uint32 // an End; the first one stays
	tls          atomic.Bool
	queued       bool
}

func newPair(l *loop, client, node int, p Pair) *pair {
	s := &pair{loop: l, owner: p.Owner, idle: p.Idle, half: -1, number: nobody}
	s.client.fd, s.node.fd = int32(client), int32(node)
	now := stampNow(0)
	s.client.last.Store(now)
	s.node.last.Store(now)
	s.secure(p.ClientTLS, p.NodeTLS)
	return s
}

func (p *pair) Facts() Facts { return factsOf(&p.client.record, &p.node.record, p.tls.Load()) }

func (p *pair) Close(why End) {
	p.note(why)
	p.loop.post(letter{pair: p, end: true})
}

func (p *pair) note(why End) { p.end.CompareAndSwap(0, uint32(why)) }

// begin gives a pair its number and its events. What is there to read already is the first of them.
func (l *loop) begin(p *pair, first, early []byte) {
	l.number(p)
	l.now = max(l.now, p.client.last.Load().when()) // the pair may have come in the middle of a step: what it says is later than that
	for _, s := range [...]*side{&p.client, &p.node} {
		if l.register(p, s, inputs) != nil {
			p.note(Cut)
			l.finish(p)
			return
		}
	}
	l.arm(p)
	if len(first) > 0 {
		l.give(p, &p.node, &p.client, first)
	}
	if len(early) > 0 {
		l.give(p, &p.client, &p.node, early)
	}
	if p.secured != nil {
		l.turn(p) // what TLS has read already is no event
	}
}

func (l *loop) number(p *pair) {
	l.load.Add(1)
	if last := len(l.free) - 1; last >= 0 {
		p.number, l.free = l.free[last], l.free[:last]
		l.pairs[p.number] = p
		return
	}
	p.number = int32(len(l.pairs))
	l.pairs = append(l.pairs, p)
}

const inputs = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET

// register fails without memory, or at fs.epoll.max_user_watches.
func (l *loop) register(p *pair, s *side, events uint32) error {
	return l.set.Add(int(s.fd), events, l.key(p, s))
}

func (l *loop) key(p *pair, s *side) int32 {
	if s == &p.node {
		return p.number<<1 | 1
	}
	return p.number << 1
}

// turn moves what can be moved, both ways.
func (l *loop) turn(p *pair) {
	if p.call != nil {
		l.advance(p)
		return
	}
	more := l.move(p, &p.client, &p.node)
	if p.number != nobody && l.move(p, &p.node, &p.client) {
		more = true
	}
	if more && p.number != nobody {
		l.later(p)
	}
}

// move passes on what from says, until it says no more or to takes no more. It is true if only the turn was over before that. The
// pair may be over after it.
func (l *loop) move(p *pair, from, to *side) bool {
	if p.secured != nil {
		return l.moveSecure(p, from, to)
	}
	for left := turn; left > 0; {
		if to.holds() && (to.is(full) || !l.flush(p, from, to)) {
			return false
		}
		if !from.is(readable) || from.is(ended) {
			return false
		}
		left--
		if from.filled >= bulk {
			if pipe := l.pipe(from); pipe != nil {
				left -= l.splice(p, from, to, pipe) / chunk
				continue
			}
			from.filled = 0
		}
		n, errno := from.read(l.scratch[:])
		if n == 0 {
			l.noMore(p, from, to, errno)
			continue
		}
		switch {
		case n == chunk:
			from.filled++
		case from.is(hungUp):
			from.filled = 0
		default:
			from.filled = 0
			from.unset(readable) // what comes later is another event
		}
		l.pass(p, from, to, l.scratch[:n])
	}
	return true
}

// noMore is what a read that brought nothing means.
func (l *loop) noMore(p *pair, from, to *side, errno syscall.Errno) {
	switch {
	case errno == 0 && !from.is(broken):
		p.note(p.pick(from, ClientLeft, NodeLeft))
		l.over(p, from, to)
	case errno == unix.EAGAIN:
		from.unset(readable)
	case errno == unix.EINTR: // to be asked again
	case from.is(unwanted):
		l.over(p, from, to)
	default:
		p.note(p.pick(from, ClientReset, NodeReset))
		l.finish(p)
	}
}

// pick chooses between what something means of the client and of the node.
func (p *pair) pick(s *side, ofClient, ofNode End) End {
	if s == &p.client {
		return ofClient
	}
	return ofNode
}

// pass gives to what from said.
func (l *loop) pass(p *pair, from, to *side, b []byte) {
	if from.is(unwanted) {
		return
	}
	if from == &p.client && startsTLS(b) && !p.tls.Load() {
		p.tls.Store(true)
	}
	if len(b) >= bulky {
		to.bound(from.moved.Load())
	}
	if to.is(nagle) {
		to.hurry()
	}
	n, errno := to.write(b)
	if errno != 0 && !temporary(errno) {
		l.lost(p, from, to)
		return
	}
	now := l.stamp(stampLine(b))
	if n < len(b) {
		to.held = l.store.parcel(b[n:])
		l.ask(p, to)
		now |= moving
	}
	from.last.Store(now)
	from.moved.Add(int64(n))
}

// stamp is later than the one before: a command and its answer can come in one step.
func (l *loop) stamp(f stamp) stamp {
	l.now++
	return stamp(l.now)<<flags | f
}

// late stamps what to takes of what from has said before. What the client has said since then stays the last word: the node has not answered it.
func (l *loop) late(p *pair, from, to *side, f stamp) {
	since := to.last.Load()
	unanswered := to == &p.client && since.when() > from.last.Load().when()
	from.last.Store(l.stamp(f))
	if unanswered {
		to.last.Store(l.stamp(since.flags()))
	}
}

// ask wants to know when there is room to write.
func (l *loop) ask(p *pair, s *side) {
	s.set(full)
	if s.is(asked) {
		return
	}
	s.set(asked)
	l.set.Change(int(s.fd), inputs|unix.EPOLLOUT, l.key(p, s)) // cannot fail for a socket that was added
}

// flush gives to what it would not take before. It is false if it does not take all of it now.
func (l *loop) flush(p *pair, from, to *side) bool {
	if to.pipe != nil {
		return l.drain(p, from, to)
	}
	n, errno := to.write(to.held.rest)
	if errno != 0 && !temporary(errno) {
		l.lost(p, from, to)
		return true
	}
	to.held.rest = to.held.rest[n:]
	if p.of(to) == nil { // what TLS has taken is counted already
		from.moved.Add(int64(n))
	}
	line := from.last.Load() & lineEnded
	if len(to.held.rest) > 0 {
		l.ask(p, to)
		if n > 0 {
			l.late(p, from, to, line|moving)
		}
		return false
	}
	l.store.takeParcel(to.held)
	to.held = nil
	l.late(p, from, to, line)
	if to.is(shutLater) {
		to.unset(shutLater)
		to.shut()
		if p.done() {
			l.finish(p)
		}
	}
	return true
}
