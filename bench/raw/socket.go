//go:build linux

package raw

import (
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Transport is what a client's bytes go over. Nothing blocks: Read and Write return unix.EAGAIN instead.
type Transport interface {
	Read(p []byte) (int, error) // io.EOF at the end
	Write(p []byte) (int, error)
	Flush() error // of what Write took and could not send
	Drained(read, size int) bool
	Close()
	Reset() // Close, without a word to the peer and with no TIME_WAIT after it
}

// ReadAll hands what there is to take, until there is nothing more for now. take returns what to go on with; nil: nothing.
func ReadAll(t Transport, events uint32, buffer []byte, take func(p []byte) (Transport, error)) error {
	for t != nil {
		n, err := t.Read(buffer)
		if err != nil {
			return err
		}
		if t, err = take(buffer[:n]); err != nil {
			return err
		}
		if t != nil && t.Drained(n, len(buffer)) && events&unix.EPOLLRDHUP == 0 {
			return nil
		}
	}
	return nil
}

// Socket is plain TCP.
type Socket struct {
	loop *Loop
	FD   int
}

// Connect begins to connect. Each client has an address of its own: the pairs of ports of one address would run out, as those of
// connections that were closed a moment ago cannot be used.
func Connect(l *Loop, from netip.Addr, to netip.AddrPort) (*Socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()}); err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &Socket{l, fd}, nil
}

func (s *Socket) Read(p []byte) (int, error) {
	n, err := unix.Read(s.FD, p)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s *Socket) Write(p []byte) (int, error) { return unix.Write(s.FD, p) }
func (s *Socket) Flush() error                { return nil }
func (s *Socket) Close()                      { s.loop.Close(s.FD) }
func (s *Socket) Reset()                      { s.loop.Reset(s.FD) }

// Drained says whether a read of less than it had room for was the last for now.
func (s *Socket) Drained(read, size int) bool { return read < size }

// Wait blocks until the socket can be read or written.
func (s *Socket) Wait(events int16) error {
	const patience = 10_000 // ms
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.FD), Events: events}}, patience)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		default:
			return nil
		}
	}
}
