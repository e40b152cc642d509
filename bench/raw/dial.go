//go:build linux

package raw

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Source is the address of a client.
func Source(client int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 0, byte(3 + client/200), byte(1 + client%200)})
}

// Dial connects and blocks: for clients whose own work is so much that a loop would save nothing.
func Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Control: lateBinding}
	return d.DialContext(ctx, "tcp4", to.String())
}

// lateBinding lets the kernel choose the port when it knows the other end, so that it can be one that is free for that.
func lateBinding(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}
