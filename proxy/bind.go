package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// keepAlive is for both sides of a session: without it a NAT forgets an IMAP client in IDLE, and nobody notices that a
// peer's machine is gone. Two minutes of silence are what common NATs grant at least.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 4}

// bind opens a listening socket. The zero Addr is every address, IPv6 and IPv4, and so is [::]: "tcp6" would set
// IPV6_V6ONLY on it. Without SO_REUSEPORT a second process cannot take half of the clients unseen.
func bind(a netip.AddrPort, freebind bool) (*net.TCPListener, error) {
	network := "tcp"
	switch {
	case a.Addr().Is4():
		network = "tcp4"
	case a.Addr().Is6() && !a.Addr().IsUnspecified():
		network = "tcp6"
	}
	lc := net.ListenConfig{KeepAlive: -1, KeepAliveConfig: keepAliveOfAccepted, Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return prepareListener(fd, freebind) })
	}}
	lc.SetMultipathTCP(false) // its sockets cannot splice
	l, err := lc.Listen(context.Background(), network, listenAddress(a))
	if err != nil {
		return nil, bindError(a, err)
	}
	return l.(*net.TCPListener), nil
}

func listenAddress(a netip.AddrPort) string {
	if !a.Addr().IsValid() {
		return fmt.Sprintf(":%d", a.Port())
	}
	return a.String()
}

// control runs f on the descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// bindError says what to do about it.
func bindError(a netip.AddrPort, err error) error {
	var cause syscall.Errno
	if errors.As(err, &cause) {
		if remedy := bindRemedy(cause, a.Port()); remedy != "" {
			return fmt.Errorf("listen on %s: %w: %s", listenAddress(a), cause, remedy)
		}
	}
	return fmt.Errorf("listen on %s: %w", listenAddress(a), err)
}
