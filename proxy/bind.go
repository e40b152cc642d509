package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
	lc := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
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

// prepareListener sets on the listener what accepted sockets inherit: that saves four calls for each session.
func prepareListener(fd int, freebind bool) error {
	set := []struct{ level, option, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive.Idle.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAlive.Interval.Seconds())},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAlive.Count},
	}
	for _, o := range set {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return fmt.Errorf("keep-alive: %w", err)
		}
	}
	if !freebind {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1); err != nil {
		return fmt.Errorf("freebind: %w", err)
	}
	if domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); domain == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1); err != nil {
			return fmt.Errorf("freebind: %w", err)
		}
	}
	return nil
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
	address, remedy := listenAddress(a), ""
	switch {
	case errors.Is(err, unix.EACCES):
		remedy = "ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a lower sysctl net.ipv4.ip_unprivileged_port_start"
	case errors.Is(err, unix.EADDRINUSE):
		remedy = fmt.Sprintf("another socket listens there; `ss -ltnp sport = :%d` names its process", a.Port())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = "no interface has this address; with `freebind: true` it may come later"
	default:
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	var cause syscall.Errno
	errors.As(err, &cause)
	return fmt.Errorf("listen on %s: %w: %s", address, cause, remedy)
}
