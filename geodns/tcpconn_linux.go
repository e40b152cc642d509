package geodns

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

// roomTCP is how many bytes of answers are gathered for one write, or wait for one client, and one answer more. What answers there are
// beyond that are not made before the client takes these.
const roomTCP = fullTCP + 2 + udpSize

const fullTCP = 32 << 10

const none = -1 // no descriptor

// tcpConn is a connection. Without bytes that wait it holds no buffer.
type tcpConn struct {
	number  int32
	fd      int // none: it has ended
	client  netip.Addr
	held    []byte // questions that are not answered yet
	unsent  []byte // answers that the client has not taken yet
	slow    int    // questions of it that are answered elsewhere
	watched bool   // epoll knows it

	readable bool // there may be more in the socket
	hungUp   bool // there is an end in it too
	more     bool // held begins with a whole question
	over     bool // nothing more is read: it ends when what has been asked is answered
	queued   bool // for another turn

	age
}

// rouse does what there is to do after an event.
func (l *tcpLoop) rouse(c *tcpConn, events uint32) {
	switch {
	case c.fd == none:
		return
	case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0: // the client takes no answers any more
		l.drop(c)
		return
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		c.readable = true
	}
	if events&unix.EPOLLRDHUP != 0 {
		c.hungUp = true
	}
	if events&unix.EPOLLOUT != 0 && len(c.unsent) > 0 {
		l.flush(c)
	}
	if !c.queued {
		l.turn(c)
	}
}

// turn reads and answers until there is no more to read, or until it must wait: for answers that are made elsewhere, or for the client to
// take some. So what a connection holds is bounded.
func (l *tcpLoop) turn(c *tcpConn) {
	for range turnTCP {
		switch {
		case c.fd == none, c.waits():
			return
		case c.over:
			if c.slow == 0 {
				l.drop(c)
			}
			return
		case c.more:
			l.answer(c, c.held)
		case c.readable:
			l.take(c)
		case l.ending:
			c.over = true
		default:
			return
		}
	}
	if !c.queued {
		c.queued = true
		l.queue = append(l.queue, c)
	}
}

func (c *tcpConn) waits() bool { return len(c.unsent) > 0 || c.more && c.slow == slowTCP && !c.over }

// take reads once and answers.
func (l *tcpLoop) take(c *tcpConn) {
	into := l.in[:0]
	if c.held != nil {
		into = c.held
	}
	n, errno := bare.Receive(c.fd, into[len(into):readTCP])
	switch {
	case errno == unix.EAGAIN:
		c.readable = false
	case errno != 0:
		l.drop(c)
	case n == 0:
		c.over = true
	default:
		c.readable = c.hungUp || len(into)+n == readTCP // else a new edge says when there is more
		l.answer(c, into[:len(into)+n])
	}
}

// answer answers the questions that are whole, keeps what is left, and sends.
func (l *tcpLoop) answer(c *tcpConn, b []byte) {
	c.more = false
	for c.fd != none && !c.over {
		question, size, err := firstQuestion(b)
		if size == 0 {
			c.over = err != nil
			break
		}
		if !l.ask(c, question) {
			c.more = true
			break
		}
		b = b[size:]
	}
	l.send(c)
	l.hold(c, b)
}

// ask answers a question, or has it answered elsewhere. false: there is no room for that now.
func (l *tcpLoop) ask(c *tcpConn, question []byte) bool {
	if l.made > fullTCP {
		if l.send(c); c.fd == none || len(c.unsent) > 0 {
			return false
		}
	}
	start := l.made + 2
	n := l.worker.fast(question, c.client, false, l.out[start:start+udpSize])
	if n < 0 {
		return l.askSlowly(c, question)
	}
	binary.BigEndian.PutUint16(l.out[l.made:], uint16(n))
	l.made = start + n
	return true
}

// hold keeps what was read and is not answered yet.
func (l *tcpLoop) hold(c *tcpConn, b []byte) {
	switch {
	case c.fd == none:
	case len(b) == 0 || c.over:
		l.asked.takeBack(c.held)
		c.held = nil
	case c.held == nil:
		c.held = append(l.asked.lend(), b...)
	default:
		c.held = append(c.held[:0], b...) // it is the end of the same
	}
}

// send sends the answers that were made. What the client does not take now waits for it.
func (l *tcpLoop) send(c *tcpConn) {
	b := l.out[:l.made]
	l.made = 0
	if c.fd != none && len(b) > 0 {
		l.deliver(c, b)
	}
}

// deliver sends answers, behind those that wait.
func (l *tcpLoop) deliver(c *tcpConn, b []byte) {
	if len(c.unsent) > 0 {
		c.unsent = append(c.unsent, b...)
		return
	}
	n, errno := bare.Send(c.fd, b)
	switch {
	case errno != 0 && errno != unix.EAGAIN:
		l.drop(c)
	case n == len(b):
		l.idle.move(c, l.now)
	default:
		c.unsent = append(l.answers.lend(), b[n:]...)
		l.stalled.move(c, l.now)
		if c.watched {
			l.watch(c)
		}
	}
}

// flush sends what waits for a client.
func (l *tcpLoop) flush(c *tcpConn) {
	n, errno := bare.Send(c.fd, c.unsent)
	switch {
	case errno == unix.EAGAIN:
	case errno != 0:
		l.drop(c)
	case n < len(c.unsent):
		c.unsent = append(c.unsent[:0], c.unsent[n:]...)
	default:
		l.answers.takeBack(c.unsent)
		c.unsent = nil
		l.idle.move(c, l.now)
		l.watch(c)
	}
}
