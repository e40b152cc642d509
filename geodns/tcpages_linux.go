package geodns

import "time"

// ages is a list of connections, the one that has been in it for the longest time first.
type ages struct{ first, last *tcpConn }

// age is since when a connection is in a list.
type age struct {
	in         *ages
	since      time.Time
	prev, next *tcpConn
}

// move makes a connection the youngest of a list, whichever it was in.
func (a *ages) move(c *tcpConn, now time.Time) {
	if c.in != nil {
		c.in.remove(c)
	}
	c.age = age{in: a, since: now, prev: a.last}
	if a.last == nil {
		a.first = c
	} else {
		a.last.next = c
	}
	a.last = c
}

func (a *ages) remove(c *tcpConn) {
	if c.prev == nil {
		a.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		a.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.age = age{}
}

// due is when the oldest will have been there for so long.
func (a *ages) due(most time.Duration) (at time.Time, any bool) {
	if a.first == nil {
		return time.Time{}, false
	}
	return a.first.since.Add(most), true
}

// expire ends the connections that have nothing more to wait for, and does what else was due.
func (l *tcpLoop) expire() {
	for at, any := l.idle.due(idleTCP); any && !l.now.Before(at); at, any = l.idle.due(idleTCP) {
		if c := l.idle.first; c.slow > 0 {
			l.idle.move(c, l.now) // it is we who are late
		} else {
			l.drop(c)
		}
	}
	for at, any := l.stalled.due(writeTCP); any && !l.now.Before(at); at, any = l.stalled.due(writeTCP) {
		l.drop(l.stalled.first)
	}
	l.unpause()
	if l.ending && !l.now.Before(l.until) {
		l.dropAll()
	}
}

// stop lets every connection end that has the answers to what it has asked.
func (l *tcpLoop) stop() {
	l.ending, l.until = true, l.now.Add(lastTCP)
	for _, c := range l.conns {
		c.readable = true
		l.turn(c)
	}
}

func (l *tcpLoop) dropAll() {
	for _, c := range l.conns {
		if c.fd != none {
			l.drop(c)
		}
	}
}

// timeout is how many milliseconds nothing is due; below 0: for ever.
func (l *tcpLoop) timeout() int {
	var next time.Time
	sooner := func(at time.Time, any bool) {
		if any && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	sooner(l.idle.due(idleTCP))
	sooner(l.stalled.due(writeTCP))
	sooner(l.resume, len(l.paused) > 0)
	sooner(l.until, l.ending)
	if next.IsZero() {
		return -1
	}
	return max(int(time.Until(next)/time.Millisecond)+1, 0)
}

// buffers are lent to connections with bytes that wait.
type buffers struct {
	size  int
	spare [][]byte
}

// spareBuffers is how many empty ones are kept. More connections with bytes that wait at one moment get new ones.
const spareBuffers = 32

func (b *buffers) lend() []byte {
	last := len(b.spare) - 1
	if last < 0 {
		return make([]byte, 0, b.size)
	}
	buffer := b.spare[last]
	b.spare = b.spare[:last]
	return buffer
}

func (b *buffers) takeBack(buffer []byte) {
	if cap(buffer) == b.size && len(b.spare) < spareBuffers {
		b.spare = append(b.spare, buffer[:0])
	}
}
