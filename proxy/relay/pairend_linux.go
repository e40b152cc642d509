package relay

import (
	"time"

	"golang.org/x/sys/unix"
)

// pipe is an empty one for what from says, if that is still bulk. The small pieces that come after bulk are worth seeing: they end lines.
func (l *loop) pipe(from *side) *pipeful {
	if waiting, err := unix.IoctlGetInt(int(from.fd), unix.SIOCINQ); err != nil || waiting < chunk || from.is(unwanted) {
		return nil
	}
	pipe, err := l.store.pipe()
	if err != nil { // no descriptor: copying goes on
		return nil
	}
	return pipe
}

// splice moves bulk inside the kernel, through an empty pipe. It returns how many bytes it took.
func (l *loop) splice(p *pair, from, to *side, pipe *pipeful) int {
	n, errno := move(int(from.fd), pipe.w, to.bound(from.moved.Load()))
	if n == 0 {
		l.store.takePipe(pipe)
		l.noMore(p, from, to, errno)
		return 0
	}
	pipe.n, to.pipe = n, pipe
	from.last.Store(l.stamp(moving))
	l.drain(p, from, to)
	return n
}

// drain gives to what is in its pipe. It is false if it does not take all of it now.
func (l *loop) drain(p *pair, from, to *side) bool {
	for to.pipe.n > 0 {
		n, errno := move(to.pipe.r, int(to.fd), to.pipe.n)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			l.ask(p, to)
			return false
		case errno != 0:
			l.lost(p, from, to)
			return true
		}
		to.pipe.n -= n
		from.moved.Add(int64(n))
		l.late(p, from, to, moving)
	}
	l.store.takePipe(to.pipe)
	to.pipe = nil
	l.late(p, from, to, 0)
	return true
}

// lost is called when to has gone. What it said before that may still be on its way to from: from is read on for a moment.
func (l *loop) lost(p *pair, from, to *side) {
	p.note(p.pick(to, ClientReset, NodeReset))
	l.drop(to)
	from.last.Store(l.stamp(0))
	from.set(unwanted)
	p.until = l.now + lastWords
	if to.unset(shutLater); p.done() { // nobody would tell of it
		l.finish(p)
		return
	}
	l.arm(p)
}

// drop gives back what was lent for a side.
func (l *loop) drop(s *side) {
	if s.held != nil {
		l.store.takeParcel(s.held)
		s.held = nil
	}
	if s.pipe != nil {
		l.store.takePipe(s.pipe)
		s.pipe = nil
	}
}

// over is called when no more comes from a side.
func (l *loop) over(p *pair, from, to *side) {
	from.set(ended)
	// After a reset there is no end to be passed on: a write can use up the error, and reads then find an end.
	pass := !from.is(unwanted) && End(p.end.Load()) != p.pick(from, ClientReset, NodeReset)
	if pass && (p.secured != nil || !to.is(ended)) { // the last end of a session without TLS is told by closing
		l.shut(p, from, to)
	}
	if p.done() {
		l.finish(p)
		return
	}
	if p.half < 0 {
		p.half = l.now
	}
	l.arm(p)
}

// done says whether nothing more comes from either side, and each has been told all.
func (p *pair) done() bool {
	return p.client.is(ended) && p.node.is(ended) && !p.client.is(shutLater) && !p.node.is(shutLater)
}

// arm sets the timer for what the pair has to wait for. A timer that is set anew only when it comes up costs nothing for each byte.
func (l *loop) arm(p *pair) {
	switch left := l.patience(p); {
	case p.parting() && p.idle > 0:
		l.wheel.set(p.number, min(p.until, l.now+left))
	case p.parting():
		l.wheel.set(p.number, p.until)
	case p.idle > 0:
		l.wheel.set(p.number, l.now+left)
	}
}

// patience is how much longer the pair may be silent, if silence is limited.
func (l *loop) patience(p *pair) time.Duration {
	half := p.half
	if half >= 0 {
		half = l.now - half
	}
	return allowed(p.idle, l.now-max(p.client.last.Load().when(), p.node.last.Load().when()), half)
}

// parting says whether a side is read on though nobody wants its words.
func (p *pair) parting() bool { return p.client.parting() || p.node.parting() }

func (s *side) parting() bool { return s.is(unwanted) && !s.is(ended) }

// overdue is called when the timer of a pair comes up.
func (l *loop) overdue(p *pair) {
	if c := p.call; c != nil {
		if due := c.began + c.Patience; l.now < due { // a wheel that has slept had its numbers come up early
			l.wheel.set(p.number, due)
		} else {
			l.giveBack(p, nil)
		}
		return
	}
	if p.node.is(mortal) {
		p.node.keepAlive(l.keepAlive)
	}
	if l.now >= p.until {
		if p.client.parting() {
			l.over(p, &p.client, &p.node)
		}
		if p.node.parting() {
			l.over(p, &p.node, &p.client)
		}
	}
	switch {
	case p.number == nobody:
	case p.idle > 0 && l.patience(p) <= 0:
		p.note(Idle)
		l.finish(p)
	default:
		l.arm(p)
	}
}

// finish closes both sockets and tells what is known of the session.
func (l *loop) finish(p *pair) {
	end := End(p.end.Load())
	p.client.set(ended)
	p.node.set(ended)
	if p.secured != nil {
		l.part(p)
	}
	l.drop(&p.client)
	l.drop(&p.node)
	p.client.close(end == NodeReset)
	p.node.close(end == ClientReset)
	l.leave(p)
	p.owner.Ended(Result{Up: p.client.passed(), Down: p.node.passed(), End: end, TLS: p.tls.Load()})
}

// leave gives the number of a pair back. It is free when the events of this wait are done.
func (l *loop) leave(p *pair) {
	l.wheel.clear(p.number)
	l.pairs[p.number] = nil
	l.leaving = append(l.leaving, p.number)
	p.number = nobody
	l.load.Add(-1)
}
