package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// How TLS ends. Each side closes its own direction with close_notify; in TLS 1.3 the other direction goes on (RFC 8446, 6.1), and
// crypto/tls keeps it so in TLS 1.2 too: after a client's close_notify reads say io.EOF and writes still reach it. So a
// half-close inside TLS means what it means on TCP, and is passed on in the same way: CloseWrite of a tls.Conn sends the alert and
// leaves TCP open, and the FIN follows when that direction has nothing more to say.
//
// A FIN without close_notify may be an attacker's cut. crypto/tls reports it as io.ErrUnexpectedEOF inside a record and as io.EOF
// between two, where it cannot be told from an end: protocols that must know (a body without a length) end their messages
// themselves. We always send ours before we close, so clients can tell.

// partSecure says the last words inside TLS, ends it with close_notify and then the connection under it. It returns within
// seconds, whatever the peer does.
func partSecure(c *tls.Conn, under *net.TCPConn, last []byte) {
	under.SetDeadline(time.Now().Add(partingTime))
	if len(last) > 0 {
		c.Write(last)
	}
	c.CloseWrite()
	part(under, nil)
}

// hangUp closes at once: the close_notify is sent if there is room for it, so that the peer's log has nothing to complain of, and nobody
// waits for a peer that does not read.
func hangUp(c *tls.Conn) {
	c.NetConn().(interface{ hurry() }).hurry()
	c.Close()
}

// carrier is the connection under TLS.
type carrier struct {
	*net.TCPConn
	hurried atomic.Bool // writes do not wait
	looking bool        // reads do not wait; the reader's
	ended   bool        // the peer has closed; the reader's

	relay io.ReadWriter // has the connection; nil: not yet
}

// Carry is called when the relay has taken the connection.
func (s *carrier) Carry(on io.ReadWriter) { s.relay, s.TCPConn = on, nil }

// SetWriteDeadline is what crypto/tls asks for around a close_notify.
func (s *carrier) SetWriteDeadline(t time.Time) error {
	if s.relay != nil {
		return nil // its writes do not wait
	}
	return s.TCPConn.SetWriteDeadline(t)
}

func (s *carrier) hurry()         { s.hurried.Store(true) }
func (s *carrier) look(only bool) { s.looking = only }

// cut says whether the end that TLS has reported was no close_notify: crypto/tls reads nothing after one.
func (s *carrier) cut() bool { return s.ended }

// readNow reads what has come, without waiting: os.ErrDeadlineExceeded if that is nothing. What crypto/tls holds already
// costs no system call. Nobody else may read meanwhile.
func readNow(c *tls.Conn, b []byte) (int, error) {
	under := c.NetConn().(interface{ look(bool) })
	under.look(true)
	defer under.look(false)
	return c.Read(b)
}

func (s *carrier) Read(b []byte) (int, error) {
	if s.relay != nil {
		return s.relay.Read(b)
	}
	if !s.looking {
		n, err := s.TCPConn.Read(b)
		s.ended = err == io.EOF
		return n, err
	}
	n := 0
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = control(raw, func(fd int) error {
		var err error
		n, err = unix.Read(fd, b)
		return err
	})
	switch {
	case err == unix.EAGAIN, err == unix.EINTR:
		return 0, os.ErrDeadlineExceeded // temporary: crypto/tls goes on after it
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		s.ended = true
		return 0, io.EOF
	}
	return n, nil
}

func (s *carrier) Write(b []byte) (int, error) {
	if s.relay != nil {
		return s.relay.Write(b)
	}
	if !s.hurried.Load() {
		return s.TCPConn.Write(b)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	n := 0
	err = control(raw, func(fd int) error {
		var err error
		n, err = unix.Write(fd, b)
		return err
	})
	return max(n, 0), err
}
