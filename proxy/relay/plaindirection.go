package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// chunk is what is read at once. 64 KiB were slower: they do not stay in the cache.
const chunk = 32 << 10

// buffers lends the memory for pieces on their way; an idle session holds none.
var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

type buffer = *[chunk]byte

// bulk is how many reads in a row must fill the buffer before bytes are spliced: a pipe costs more than it saves below.
const bulk = 2

// direction moves bytes from src to dst.
type direction struct {
	record

	session  *plain
	kept     *pipes
	src, dst *net.TCPConn
	in       syscall.RawConn
	receive  func(uintptr) bool // tryRead, made once
	fromNode bool

	spoke atomicStamp // when src last said something: taken before it is passed on, so that the answer is surely later
	tls   atomic.Bool

	// What tryRead leaves behind.
	piece buffer
	n     int
	err   error
}

func (d *direction) join(s *plain, kept *pipes, src, dst *net.TCPConn) {
	d.session, d.kept, d.src, d.dst = s, kept, src, dst
	d.fromNode = d == &s.down
	d.in, d.err = src.SyscallConn()
	d.receive = d.tryRead
	d.last.Store(stampNow(0))
}

// run passes bytes on until there are no more, and then the way in which they ended.
func (d *direction) run(first []byte) {
	err := d.err
	if err == nil && len(first) > 0 {
		err = d.pass(first)
	}
	if err == nil {
		err = d.copy()
	}
	d.conclude(err)
	d.session.ended(d)
}

// copy returns io.EOF when src has ended, or the error that stopped it.
func (d *direction) copy() error {
	full := 0
	for {
		if err := d.read(); err != nil {
			return err
		}
		n := d.n
		err := d.pass(d.piece[:n])
		d.giveBack()
		if err != nil {
			return err
		}
		if n < len(d.piece) {
			full = 0
			continue
		}
		if full++; full >= bulk {
			if err := d.splice(); err != nil {
				return err
			}
			full = 0
		}
	}
}

// read waits until there is something, and only then borrows a buffer for it: d.piece[:d.n] is never empty after nil.
func (d *direction) read() error {
	err := d.in.Read(d.receive)
	switch {
	case err != nil: // a deadline: tryRead has given its buffer back
		return readError{err}
	case d.err != nil:
		d.giveBack()
		return readError{os.NewSyscallError("read", d.err)}
	case d.n == 0:
		d.giveBack()
		return io.EOF
	}
	return nil
}

func (d *direction) tryRead(fd uintptr) bool {
	d.piece = buffers.Get().(buffer)
	for {
		d.n, d.err = unix.Read(int(fd), d.piece[:])
		if d.err != unix.EINTR {
			break
		}
	}
	if d.err == unix.EAGAIN {
		d.giveBack()
		return false
	}
	return true
}

func (d *direction) giveBack() {
	buffers.Put(d.piece)
	d.piece = nil
}

func (d *direction) pass(b []byte) error {
	if !d.fromNode && startsTLS(b) && !d.tls.Load() {
		d.tls.Store(true)
	}
	d.spoke.Store(stampNow(0))
	d.last.Store(d.last.Load() | moving)
	n, err := d.dst.Write(b)
	if err == nil {
		d.last.Store(stampNow(stampLine(b)))
	}
	d.moved.Add(int64(n))
	if err != nil {
		return writeError{err}
	}
	return nil
}

// readError is about src, writeError about dst; both sides of a copy can fail in the same way.
type (
	readError  struct{ error }
	writeError struct{ error }
)

// conclude tells dst how src ended.
func (d *direction) conclude(err error) {
	s := d.session
	var read readError
	var write writeError
	switch {
	case err == io.EOF:
		s.note(d.pick(NodeLeft, ClientLeft))
		if End(s.end.Load()) != d.pick(NodeReset, ClientReset) { // a write can use up the error, and reads then find an end
			d.dst.CloseWrite()
		}
	case errors.As(err, &write):
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			s.note(d.pick(ClientReset, NodeReset))
			d.discard()
		}
	case errors.As(err, &read) && !errors.Is(err, os.ErrDeadlineExceeded):
		s.Close(d.pick(NodeReset, ClientReset))
	}
}

// pick chooses between what something means for bytes from the node and for bytes from the client.
func (d *direction) pick(fromNode, fromClient End) End {
	if d.fromNode {
		return fromNode
	}
	return fromClient
}

// discard reads on from src for a moment though dst is gone: what dst said before it went is still on its way to src, in
// the other direction, and a close with unread input would destroy it.
func (d *direction) discard() {
	d.src.SetReadDeadline(time.Now().Add(lastWords))
	for d.read() == nil {
		d.giveBack()
	}
}
