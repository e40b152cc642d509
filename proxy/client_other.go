//go:build !linux

package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// gone says whether a client has left, without taking a byte from it: with a reset, or with an end of its input before which no bytes wait.
// A client may send all that it has to say, shut its side down and wait for the answers. patient is for protocols in which a client
// may have nothing to say at all.
func gone(c *net.TCPConn, patient bool) bool {
	n, err := peek(c)
	return err != nil && err != unix.EAGAIN || err == nil && n == 0 && !patient
}

// leftReading says whether a client that only reads has left: it has shut down or reset its side.
func leftReading(c *net.TCPConn) bool { return gone(c, false) }

// peek looks at the next byte. What lies behind it cannot be seen: no poll of these systems tells an end from bytes before it, so a
// client that has sent something and left is found when that is read.
func peek(c *net.TCPConn) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var next [1]byte
	err = control(raw, func(fd int) error {
		var err error
		n, _, err = unix.Recvfrom(fd, next[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err
	})
	return n, err
}
