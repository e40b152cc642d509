package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// gone says whether a client has left, without taking a byte from it. A reset always means that. An end of its input does
// unless bytes wait before it: a client may send all that it has to say, shut its side down and wait for the answers.
// patient is for protocols in which a client may have nothing to say at all.
func gone(c *net.TCPConn, patient bool) bool {
	return hungUp(c, func(fd int, events int16) bool {
		if events&(unix.POLLERR|unix.POLLHUP) != 0 {
			return true
		}
		waiting, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
		return !patient && err == nil && waiting == 0
	})
}

// leftReading says whether a client that only reads has left: it has shut down or reset its side.
func leftReading(c *net.TCPConn) bool {
	return hungUp(c, func(int, int16) bool { return true })
}

// hungUp asks left about a client whose input has ended. A client that cannot be asked about has left.
func hungUp(c *net.TCPConn, left func(fd int, events int16) bool) (gone bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		ask := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(ask, 0)
		gone = err == nil && n > 0 && left(int(fd), ask[0].Revents)
	})
	return gone || err != nil
}
