package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bindLater lets the kernel choose the port when it knows the destination. DialTCP binds even without a source, and a port that is
// chosen then is taken for every destination: all nodes together would have 28,232 connections, those in TIME_WAIT included.
func bindLater(_, _ string, raw syscall.RawConn) error {
	return control(raw, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}
