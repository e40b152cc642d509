package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// gone says whether a client has left, without taking a byte from it. A reset always means that. An end of its input does
// unless bytes wait before it: a client may send all that it has to say, shut its side down and wait for the answers.
// patient is for protocols in which a client may have nothing to say at all.
func gone(c *net.TCPConn, patient bool) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	left := false
	err = raw.Control(func(fd uintptr) {
		ask := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(ask, 0); err != nil || n == 0 {
			return
		}
		if ask[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			left = true
			return
		}
		waiting, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		left = !patient && err == nil && waiting == 0
	})
	return left || err != nil
}

// leftReading says whether a client that only reads has left: it has shut down or reset its side.
func leftReading(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	left := false
	err = raw.Control(func(fd uintptr) {
		ask := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(ask, 0)
		left = err == nil && n > 0 && ask[0].Revents&(unix.POLLRDHUP|unix.POLLERR|unix.POLLHUP) != 0
	})
	return left || err != nil
}
