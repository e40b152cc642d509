package proxy

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// bulkLeast is from where on a body with a length is spliced inside the kernel, where both sides are plain TCP: a pipe costs more
// than it saves below.
const bulkLeast = 64 << 10

// bulkPiece is how much is spliced before the watch hears that something has moved.
const bulkPiece = 1 << 20

// passPieces relays a body as it comes: each piece that the node sends, such as an event, is written at once.
func (x *exchange) passPieces(bare bool) end {
	for x.response.expected() {
		if x.response.events && x.c.watch.adieu.Load() {
			if why, done := x.endEvents(); done {
				return why
			}
		}
		err := x.node.fill()
		if err != nil {
			why, done := x.interrupted(err)
			if done {
				return why
			}
			continue
		}
		x.c.watch.within(x.service.Timeouts.Idle)
		if why := x.passPiece(bare); why != underway {
			return why
		}
	}
	return underway
}

// passPiece writes what is buffered.
func (x *exchange) passPiece(bare bool) end {
	b := x.node.unread()
	var n int
	var err error
	out := b
	if bare {
		out, n, err = x.response.strip(nil, b)
	} else {
		n, err = x.response.take(b)
		out = b[:n]
	}
	if why := x.send(out); why != underway {
		return why
	}
	x.c.down.Add(int64(n))
	x.node.large = n == len(x.node.in.data)
	x.node.use(n)
	if err != nil {
		return x.cutShort(err)
	}
	return underway
}

// interrupted is what the end of the node's bytes, or of our patience, means for the body. done: it is over.
func (x *exchange) interrupted(err error) (why end, done bool) {
	switch {
	case x.c.watch.stopped() != underway:
		return x.c.watch.stopped(), true
	case isTimeout(err) && x.c.watch.bye.Load() && x.response.events:
		x.c.watch.clear(x.node.tcp)
		return underway, false
	case isTimeout(err): // the upload has ended
		return x.cutShort(err), true
	case x.response.untilEnd && errors.Is(err, io.EOF) && !x.node.cutShort(): // RFC 9112, 9.8
		x.response.untilEnd = false
		return underway, true
	}
	return x.cutShort(err), true
}

// endEvents ends a stream of events for good if it stands between two of them; else it goes on to the end of this one.
func (x *exchange) endEvents() (why end, done bool) {
	if !x.response.eventEnded() {
		return underway, false
	}
	if x.response.chunked && !x.http10 {
		if why := x.send([]byte("0\r\n\r\n")); why != underway {
			return why, true
		}
	}
	return endDrained, true
}

// cutShort ends a response that cannot be completed: the client must see that.
func (x *exchange) cutShort(err error) end {
	if why := x.c.watch.stopped(); why != underway {
		return why
	}
	if x.upload != nil && x.upload.lost.Load() != 0 {
		return end(x.upload.lost.Load())
	}
	x.why = err.Error()
	return endNode
}

// passBulk relays a long body with a length.
func (x *exchange) passBulk() end {
	move := mover{from: &x.node.stream, to: &x.c.client, left: &x.response.left, moved: func(n int64) {
		x.c.down.Add(n)
		x.c.watch.within(x.service.Timeouts.Idle)
	}}
	from, err := move.all()
	switch {
	case err == nil:
		return underway
	case from:
		return x.cutShort(err)
	}
	return x.c.broken(err)
}

// mover moves a known number of bytes from one stream to another.
type mover struct {
	from, to *stream
	left     *int64
	moved    func(int64)
	wait     func() // before each read; nil: nothing
}

// all returns when nothing is left. reading: the error is of the stream that is read, which io.ErrUnexpectedEOF always is.
func (m *mover) all() (reading bool, err error) {
	if b := m.from.unread(); len(b) > 0 {
		n := int(min(int64(len(b)), *m.left))
		if err := m.write(b[:n]); err != nil {
			return false, err
		}
		m.from.use(n)
	}
	if m.from.secure == nil && m.to.secure == nil {
		return m.splice()
	}
	return m.copy()
}

func (m *mover) write(b []byte) error {
	if err := m.to.write(b); err != nil {
		return err
	}
	*m.left -= int64(len(b))
	m.moved(int64(len(b)))
	return nil
}

// splice lets the kernel move the bytes.
func (m *mover) splice() (reading bool, err error) {
	limited := io.LimitedReader{R: m.from.tcp}
	for *m.left > 0 {
		if m.wait != nil {
			m.wait()
		}
		limited.N = min(*m.left, bulkPiece)
		n, err := m.to.tcp.ReadFrom(&limited)
		*m.left -= n
		m.moved(n)
		switch {
		case n > 0 && m.wait != nil && isTimeout(err): // the time is for silence, and not for a whole piece
		case err != nil:
			return m.isRead(err), err
		case limited.N > 0:
			return true, io.ErrUnexpectedEOF
		}
	}
	return false, nil
}

func (m *mover) copy() (reading bool, err error) {
	m.from.drop()
	b := borrow(true)
	defer b.giveBack()
	for *m.left > 0 {
		if m.wait != nil {
			m.wait()
		}
		n, err := m.from.conn().Read(b.data[:min(*m.left, int64(len(b.data)))])
		if n > 0 {
			if err := m.write(b.data[:n]); err != nil {
				return false, err
			}
		}
		if err == io.EOF && *m.left > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && *m.left > 0 {
			return true, err
		}
	}
	return false, nil
}

// isRead says whether an error of a splice is of the side that is read, which it does not tell by itself. Only reads have deadlines, as
// long as nobody ends the conversation.
func (m *mover) isRead(err error) bool {
	return isTimeout(err) || !errors.Is(err, unix.EPIPE) && leftReading(m.from.tcp)
}
