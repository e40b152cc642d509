//go:build linux

package raw

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Secure is TLS over a socket, without a goroutine: the handshake blocks, and from then on reading and writing do not.
type Secure struct {
	wire *wire
	tls  *tls.Conn
}

// NewSecure does the handshake. The server under test must need nobody else for it.
func NewSecure(s *Socket, c *tls.Config) (*Secure, error) {
	w := &wire{socket: s, blocks: true}
	t := &Secure{wire: w, tls: tls.Client(w, c)}
	if err := s.Wait(unix.POLLOUT); err != nil { // connected
		return nil, err
	}
	if err := t.tls.Handshake(); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	w.blocks = false
	return t, nil
}

func (t *Secure) Read(p []byte) (int, error) {
	n, err := t.tls.Read(p)
	if errors.Is(err, errAgain) {
		err = unix.EAGAIN
	}
	return n, err
}

// writeSize is how much is encrypted before the socket is asked again.
const writeSize = 64 << 10

func (t *Secure) Write(p []byte) (int, error) {
	if err := t.Flush(); err != nil {
		return 0, err
	}
	return t.tls.Write(p[:min(len(p), writeSize)])
}

func (t *Secure) Flush() error { return t.wire.flush() }
func (t *Secure) Close()       { t.wire.socket.Close() }
func (t *Secure) Reset()       { t.wire.socket.Reset() }

// drained: records may lie in TLS's own buffer.
func (t *Secure) Drained(int, int) bool { return false }

// wire is the connection below TLS. A read that would block is a temporary error, which TLS survives; an error of a write would be
// final, so what cannot be sent is kept.
type wire struct {
	socket  *Socket
	blocks  bool
	pending []byte
}

type again struct{}

var errAgain net.Error = again{}

func (again) Error() string   { return "would block" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.socket.Read(p)
		switch {
		case err != unix.EAGAIN:
			return n, err
		case !w.blocks:
			return 0, errAgain
		}
		if err := w.socket.Wait(unix.POLLIN); err != nil {
			return 0, err
		}
	}
}

func (w *wire) Write(p []byte) (int, error) {
	w.pending = append(w.pending, p...)
	if err := w.flush(); err != nil && err != unix.EAGAIN {
		return 0, err
	}
	return len(p), nil
}

func (w *wire) flush() error {
	for len(w.pending) > 0 {
		n, err := w.socket.Write(w.pending)
		if err != nil {
			return err
		}
		w.pending = w.pending[:copy(w.pending, w.pending[n:])]
	}
	return nil
}

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
