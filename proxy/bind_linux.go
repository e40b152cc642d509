package proxy

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepAliveOfAccepted has nothing to be set: accepted sockets inherit it.
var keepAliveOfAccepted net.KeepAliveConfig

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

// bindRemedy is what to do about an error of bind; empty if there is nothing to say.
func bindRemedy(cause syscall.Errno, port uint16) string {
	switch cause {
	case unix.EACCES:
		return "ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a lower sysctl net.ipv4.ip_unprivileged_port_start"
	case unix.EADDRINUSE:
		return fmt.Sprintf("another socket listens there; `ss -ltnp sport = :%d` names its process", port)
	case unix.EADDRNOTAVAIL:
		return "no interface has this address; with `freebind: true` it may come later"
	}
	return ""
}
