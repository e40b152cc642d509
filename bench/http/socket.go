//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"
)

// transport is what a client's bytes go over. Nothing blocks: read and write return unix.EAGAIN instead.
type transport interface {
	read(p []byte) (int, error) // io.EOF at the end
	write(p []byte) (int, error)
	flush() error // of what write took and could not send
	drained(read, size int) bool
	close()
}

// socket is plain TCP.
type socket struct {
	loop *loop
	fd   int
}

// connect begins to connect. Each client has an address of its own: the pairs of ports of one address would run out, as those of
// connections that were closed a moment ago cannot be used.
func connect(l *loop, from netip.Addr, to netip.AddrPort) (*socket, error) {
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
	return &socket{l, fd}, nil
}

func (s *socket) read(p []byte) (int, error) {
	n, err := unix.Read(s.fd, p)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (s *socket) write(p []byte) (int, error) { return unix.Write(s.fd, p) }
func (s *socket) flush() error                { return nil }
func (s *socket) close()                      { s.loop.close(s.fd) }

// drained says whether a read of less than it had room for was the last for now.
func (s *socket) drained(read, size int) bool { return read < size }

// wait blocks until the socket can be read or written.
func (s *socket) wait(events int16) error {
	const patience = 10_000 // ms
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: events}}, patience)
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
