package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// stream is one end of an HTTP connection, with the bytes that were read from it and not used yet. While it waits for the first of
// them it holds no memory: thousands of connections wait for their next request. One goroutine reads, one writes.
type stream struct {
	tcp    *net.TCPConn
	secure *tls.Conn // over tcp; nil: plain
	raw    syscall.RawConn
	try    func(uintptr) bool // tryRead, made once
	in     *block             // nil: nothing is buffered
	r, w   int                // in.data[r:w] is not used yet
	large  bool               // what comes is bulk

	opening []byte // goes out before the wait, if nothing can be read before it
	onward  bool   // opening goes out, and nobody waits

	// What tryRead leaves behind.
	n      int
	err    error
	sent   int           // of opening
	opened bool          // there was nothing to read, so opening went out
	quiet  bool          // left by peek
	look   func(uintptr) // peek, made once
	one    [1]byte
}

var errFull = errors.New("the buffer is full")

func (s *stream) join(tcp *net.TCPConn, secure *tls.Conn) error {
	s.tcp, s.secure = tcp, secure
	var err error
	s.raw, err = tcp.SyscallConn()
	s.try, s.look = s.tryRead, s.peek
	return err
}

// unread is what was read and not used yet. It is valid until the next fill.
func (s *stream) unread() []byte {
	if s.in == nil {
		return nil
	}
	return s.in.data[s.r:s.w]
}

// use takes n bytes of unread.
func (s *stream) use(n int) {
	if s.r += n; s.r == s.w && s.in != nil {
		s.drop()
	}
}

// drop gives the memory back, and forgets what is in it.
func (s *stream) drop() {
	if s.in != nil {
		s.in.giveBack()
		s.in = nil
	}
	s.r, s.w = 0, 0
}

// fill waits for more bytes. It returns errFull where largeBlock has no room for them.
func (s *stream) fill() error {
	if err := s.makeRoom(); err != nil {
		return err
	}
	if s.secure != nil {
		return s.fillSecure()
	}
	if err := s.raw.Read(s.try); err != nil {
		return err
	}
	return s.took()
}

func (s *stream) took() error {
	switch {
	case s.err != nil:
		s.dropEmpty()
		return os.NewSyscallError("read", s.err)
	case s.n == 0:
		s.dropEmpty()
		return io.EOF
	}
	s.w += s.n
	return nil
}

func (s *stream) dropEmpty() {
	if s.r == s.w {
		s.drop()
	}
}

// makeRoom moves what is unread to the front, or to a larger block.
func (s *stream) makeRoom() error {
	if s.in == nil || s.w < len(s.in.data) {
		return nil
	}
	if s.r > 0 {
		s.w = copy(s.in.data, s.in.data[s.r:s.w])
		s.r = 0
		return nil
	}
	if len(s.in.data) >= largeBlock {
		return errFull
	}
	more := borrow(true)
	copy(more.data, s.in.data)
	s.in.giveBack()
	s.in = more
	return nil
}

// tryRead is called when there may be something: only then it borrows memory.
func (s *stream) tryRead(fd uintptr) bool {
	if s.in == nil {
		s.in = borrow(s.large)
	}
	for {
		s.n, s.err = unix.Read(int(fd), s.in.data[s.w:])
		if s.err != unix.EINTR {
			break
		}
	}
	if s.err != unix.EAGAIN {
		return true
	}
	s.dropEmpty()
	if s.opening == nil {
		return false
	}
	return s.open(int(fd))
}

// open writes the opening. What could not be written at once is the caller's.
func (s *stream) open(fd int) (done bool) {
	s.opened = true
	s.n, s.err = unix.Write(fd, s.opening)
	if s.err == unix.EAGAIN || s.err == unix.EINTR {
		s.n, s.err = 0, nil
	}
	s.sent = max(s.n, 0)
	whole := s.err == nil && s.sent == len(s.opening)
	s.opening = nil
	return s.onward || !whole
}

// fillSecure waits for one byte where nothing is buffered, and takes what has come with it: one byte at a time would be passed on
// as a record each.
func (s *stream) fillSecure() error {
	var n int
	var err error
	if s.in == nil {
		if n, err = s.secure.Read(s.one[:]); n > 0 {
			s.in = borrow(s.large)
			s.in.data[0] = s.one[0]
			more, _ := readNow(s.secure, s.in.data[1:]) // an error comes again with the next read
			n += more
		}
	} else {
		n, err = s.secure.Read(s.in.data[s.w:])
	}
	s.w += n
	if n > 0 {
		return nil
	}
	s.dropEmpty()
	return err
}

// conn is what carries the bytes of HTTP.
func (s *stream) conn() net.Conn {
	if s.secure != nil {
		return s.secure
	}
	return s.tcp
}

func (s *stream) write(b []byte) error {
	_, err := s.conn().Write(b)
	return err
}

var (
	// errStale says that a connection that was kept has ended, or has said something unasked. Nothing was sent on it.
	errStale = errors.New("stale connection")

	errNotSent = errors.New("the request could not be sent")
)

// ask sends a request and waits for the first bytes of the answer; onward: it does not wait, for more of the request follows.
// The look whether the connection is still good costs nothing on TCP: it is the read that would find nothing after the request.
func (s *stream) ask(request []byte, onward, fresh bool) error {
	if s.secure != nil {
		return s.askSecure(request, onward, fresh)
	}
	s.opening, s.onward, s.opened, s.sent = request, onward, false, 0
	err := s.raw.Read(s.try)
	s.opening = nil
	switch {
	case !s.opened:
		s.drop()
		return errStale
	case err != nil:
		return err
	case s.sent < len(request) && s.err != nil:
		return errNotSent
	case s.sent < len(request):
		return s.say(request[s.sent:], onward)
	case onward:
		return nil
	}
	return s.took()
}

// askSecure looks inside TLS too: what a node says unasked may have been read with its last answer.
func (s *stream) askSecure(request []byte, onward, fresh bool) error {
	if !fresh && !silent(s.secure) {
		return errStale
	}
	return s.say(request, onward)
}

func (s *stream) say(request []byte, onward bool) error {
	if err := s.write(request); err != nil {
		return errNotSent
	}
	if onward {
		return nil
	}
	return s.fill()
}

// disturbed says whether the peer of a connection that nobody waits on has said something or left.
func (s *stream) disturbed() bool {
	err := s.raw.Control(s.look)
	return err != nil || !s.quiet
}

func (s *stream) peek(fd uintptr) {
	_, _, err := unix.Recvfrom(int(fd), s.one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	s.quiet = err == unix.EAGAIN
}

func (s *stream) close() {
	s.drop()
	if s.secure != nil {
		hangUp(s.secure)
		return
	}
	s.tcp.Close()
}
