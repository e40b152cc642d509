package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// secured is the TLS of a pair. An idle session holds what crypto/tls keeps of it, but no goroutine, and no buffer of ours.
type secured struct{ client, node *layer }

// layer lies between a tls.Conn and the socket of a side. Neither its reads nor its writes wait: a read that finds nothing fails for the
// moment, which crypto/tls survives at any place in a record, and what is written is collected, to be sent in one piece.
type layer struct {
	*tls.Conn
	loop *loop
	side *side
	cut  bool // the peer's end was not announced by a close_notify; crypto/tls reads nothing after one
}

// secure puts a pair's TLS, if there is any, on its sides. What was under it until now is not used any more.
func (p *pair) secure(client, node *tls.Conn) {
	if client == nil && node == nil {
		return
	}
	p.secured = new(secured)
	p.secured.client = p.layer(&p.client, client)
	p.secured.node = p.layer(&p.node, node)
}

func (p *pair) layer(s *side, c *tls.Conn) *layer {
	if c == nil {
		return nil
	}
	y := &layer{Conn: c, loop: p.loop, side: s}
	c.NetConn().(Carrier).Carry(lower{y})
	s.set(inside) // something may have been read with the end of the handshake
	return y
}

// of is the TLS of a side; nil: it has none.
func (p *pair) of(s *side) *layer {
	switch {
	case p.secured == nil:
		return nil
	case s == &p.client:
		return p.secured.client
	}
	return p.secured.node
}

// lower is the side of a layer on which crypto/tls stands.
type lower struct{ *layer }

// errLater says that there is nothing to be read now.
var errLater = os.ErrDeadlineExceeded

func (y lower) Read(b []byte) (int, error) {
	for y.side.is(readable) {
		n, errno := y.side.read(b)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			y.side.unset(readable)
			return 0, errLater
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			y.cut = true
			return 0, io.EOF
		case n < len(b) && !y.side.is(hungUp):
			y.side.unset(readable) // what comes later is another event
		}
		return n, nil
	}
	return 0, errLater
}

func (y lower) Write(b []byte) (int, error) {
	y.loop.sealed = append(y.loop.sealed, b...)
	return len(b), nil
}

// mostAnswers bounds what TLS itself may have to say to a side that does not read, such as a new key for each one that it sends: at that it
// is not read either. It is more than what the other side may have said to it: who only reads when all that it says has arrived must be heard.
const mostAnswers = (turn + 2) * chunk

// moveSecure is move where a side has TLS: nothing can be spliced, and a record that was read may have others behind it, which no event tells of.
func (l *loop) moveSecure(p *pair, from, to *side) bool {
	for left := turn; left > 0; {
		if to.holds() && (to.is(full) || !l.flush(p, from, to)) {
			return false
		}
		if !from.is(readable|inside) || from.is(ended) {
			return false
		}
		if from.held != nil && len(from.held.rest) > mostAnswers {
			return !from.is(full)
		}
		if y := p.of(from); y != nil {
			l.open(p, y, from, to)
			left--
			continue
		}
		space := l.space(from, to, left)
		n, errno := from.read(space)
		left -= max(1, n/chunk)
		if n == 0 {
			l.noMore(p, from, to, errno)
			continue
		}
		if n < len(space) && !from.is(hungUp) {
			from.unset(readable)
		}
		from.learn(n)
		l.give(p, from, to, space[:n])
	}
	return true
}

// mostRecords bounds how many records are opened for a chunk. A record of one byte takes as long as a hundred bytes of bulk: a client that sends
// nothing else would have a turn of as many milliseconds as its receive buffer has megabytes, ten times over. With fewer, lines that
// come in records of their own would take more writes.
const mostRecords = 64

// open reads what TLS has for us, at most a chunk of records: more of them leave the cache before they are sent.
func (l *loop) open(p *pair, y *layer, from, to *side) {
	n, err := y.Conn.Read(l.scratch[:])
	for records := 1; err == nil && n < chunk && len(l.sealed) < chunk && records < mostRecords; records++ {
		var more int
		more, err = y.Conn.Read(l.scratch[n:])
		n += more
	}
	l.emit(p, from) // an answer of TLS itself, such as new keys (RFC 8446, 4.6.3); if that fails so does the next read
	switch {
	case n > 0: // what is wrong comes again
		from.set(inside)
		l.give(p, from, to, l.scratch[:n])
	case errors.Is(err, errLater):
		from.unset(inside)
	case err == io.EOF:
		p.note(p.pick(from, ClientLeft, NodeLeft))
		l.over(p, from, to)
	case from.is(unwanted):
		l.over(p, from, to)
	default: // a reset; or TLS that is broken off in the middle of a record or that is none, which must not look like an end
		p.note(p.pick(from, ClientReset, NodeReset))
		l.finish(p)
	}
}

// give gives to what from said, through its TLS if it has one.
func (l *loop) give(p *pair, from, to *side, b []byte) {
	y := p.of(to)
	if y == nil || from.is(unwanted) {
		l.pass(p, from, to, b)
		return
	}
	if len(b) >= bulky {
		to.bound(from.moved.Load())
	}
	if _, err := y.Conn.Write(b); err != nil || !l.emit(p, to) {
		l.lost(p, from, to)
		return
	}
	now := l.stamp(stampLine(b))
	if to.held != nil {
		now |= moving
	}
	from.last.Store(now)
	from.moved.Add(int64(len(b)))
}

// emit sends what was collected for a side. It is false if the side is gone.
func (l *loop) emit(p *pair, s *side) bool {
	b := l.sealed
	l.sealed = b[:0]
	switch {
	case len(b) == 0:
		return true
	case s.held != nil:
		s.held.rest = append(s.held.rest, b...)
		return true
	}
	n, errno := s.write(b)
	if errno != 0 && !temporary(errno) {
		return false
	}
	if n < len(b) {
		s.held = l.store.parcel(b[n:])
		l.ask(p, s)
	}
	return true
}

// shut tells to that from says no more.
func (l *loop) shut(p *pair, from, to *side) {
	l.announce(p, from, to)
	switch {
	case to.held != nil:
		to.set(shutLater)
	case !to.is(ended): // else to close is to tell
		to.shut()
	}
}

// announce ends TLS towards a side. An end that was not announced inside TLS is not announced either, so that whoever must tell a
// cut from an end still can (RFC 8446, 6.1).
func (l *loop) announce(p *pair, from, to *side) {
	if y, source := p.of(to), p.of(from); y != nil && (source == nil || !source.cut) {
		y.CloseWrite()
		l.emit(p, to)
	}
}

// part ends TLS where the pair ends by itself: after a reset of one side the other one is not told of an end. What is not sent at
// once is not sent.
func (l *loop) part(p *pair) {
	if end := End(p.end.Load()); end == ClientReset || end == NodeReset {
		return
	}
	if p.client.held == nil {
		l.announce(p, &p.node, &p.client)
	}
	if p.node.held == nil {
		l.announce(p, &p.client, &p.node)
	}
}
