package geodns

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// slowTCP is how many questions of a connection may be answered elsewhere at a time. Before there is room for one more, nothing that comes
// after it is answered.
const slowTCP = 4

// slowQuestion is one for the slow path. It is answered elsewhere, because signing takes as long as a thousand of the usual answers: these
// do not wait for it, on the same connection neither (RFC 7766, 6.2.1.1).
type slowQuestion struct {
	conn   *tcpConn
	client netip.Addr
	packet []byte
}

// askSlowly has a question answered elsewhere. false: the connection waits for too many of these.
func (l *tcpLoop) askSlowly(c *tcpConn, question []byte) bool {
	if c.slow == slowTCP {
		return false
	}
	c.slow++
	l.questions <- &slowQuestion{c, c.client, bytes.Clone(question)}
	return true
}

// answerSlowly answers until there are no more questions.
func (l *tcpLoop) answerSlowly() {
	w := l.server.newWorker(Workers())
	for q := range l.questions {
		l.post(tcpLetter{conn: q.conn, answer: q.answer(w)})
	}
}

// answer is the answer with its length; nothing if there is none.
func (q *slowQuestion) answer(w *worker) []byte {
	w.begin()
	defer w.end()
	answer := w.slow(q.packet, q.client, false, make([]byte, 2, 2+udpSize))
	n := len(answer) - 2
	if n == 0 {
		w.metrics.unanswered.Inc()
		return nil
	}
	binary.BigEndian.PutUint16(answer, uint16(n))
	return answer
}

// answered sends an answer that was made elsewhere. What gets none is no question: it ends the connection.
func (l *tcpLoop) answered(c *tcpConn, answer []byte) {
	c.slow--
	switch {
	case c.fd == none:
		l.forget(c)
		return
	case len(answer) == 0:
		c.over = true
	default:
		l.deliver(c, answer)
	}
	if !c.queued {
		l.turn(c)
	}
}
