//go:build linux

package raw

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Listener accepts for nodes: it listens on one port of every address of this machine, so that a node for each address of
// 127.0.0.0/8 costs nothing.
type Listener struct {
	Port uint16

	fd       int
	accepted func(fd int)
	failed   func(error)
}

// Listen hands each connection to accepted, on the loop's thread, and what goes wrong to failed.
func Listen(l *Loop, accepted func(fd int), failed func(error)) (*Listener, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // inherited
	if err = unix.Bind(fd, &unix.SockaddrInet4{}); err == nil {
		err = unix.Listen(fd, 4096)
	}
	if err != nil {
		return nil, fmt.Errorf("nodes: %w", err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	n := &Listener{uint16(bound.(*unix.SockaddrInet4).Port), fd, accepted, failed}
	return n, l.Add(fd, n)
}

// Ready accepts all that wait.
func (n *Listener) Ready(uint32) {
	for {
		fd, _, err := unix.Accept4(n.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			n.accepted(fd)
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EAGAIN:
			return
		default:
			n.failed(fmt.Errorf("accept: %w", err))
			return
		}
	}
}
