package relay

import (
	"net"

	"golang.org/x/sys/unix"
)

// PassReset makes the coming close of c a reset, unless it would overtake bytes that its peer has not got yet.
func PassReset(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { resetOnClose(int(fd)) })
}

func resetOnClose(fd int) {
	if n, err := unsent(fd); err != nil || n == 0 {
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
}
