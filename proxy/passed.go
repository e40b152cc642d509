package proxy

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// socket is a listening socket with Go's poller.
type socket struct {
	*net.TCPListener
	foreign bool // net.FileListener made it: what it accepts has the keep-alive of Go, and not the one that the socket hands down
}

// AcceptTCP gives every client our keep-alive.
func (s socket) AcceptTCP() (*net.TCPConn, error) {
	c, err := s.TCPListener.AcceptTCP()
	if err == nil && s.foreign {
		c.SetKeepAliveConfig(keepAlive)
	}
	return c, err
}

var errOnlyIPv6 = errors.New("the socket that was passed takes IPv6 alone, and the topology wants IPv4 too: say BindIPv6Only=both in its unit")

// open is the listening socket for an address: one that was passed to the process, or one of its own.
func (s *Server) open(a netip.AddrPort, freebind bool) (socket, error) {
	i := slices.IndexFunc(s.Passed, func(l *net.TCPListener) bool { return passedAt(l) == everywhere(a) })
	if i < 0 {
		l, err := bind(a, freebind)
		return socket{TCPListener: l}, err
	}
	l := s.Passed[i]
	raw, err := l.SyscallConn()
	if err == nil {
		err = control(raw, func(fd int) error { return preparePassed(fd, a, freebind) })
	}
	if err != nil {
		return socket{}, bindError(a, err)
	}
	s.Passed = slices.Delete(s.Passed, i, i+1)
	return socket{TCPListener: l, foreign: true}, nil
}

// preparePassed makes a socket that somebody else has bound like one of ours.
func preparePassed(fd int, a netip.AddrPort, freebind bool) error {
	only6, _ := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) // an error of IPv4: it is not
	if only6 != 0 && !everywhere(a).Addr().IsValid() {
		return errOnlyIPv6 // which cannot be changed once it is bound
	}
	return prepareListener(fd, freebind)
}

// passedAt is where a socket listens, as the topology writes it.
func passedAt(l *net.TCPListener) netip.AddrPort {
	return everywhere(plain(l.Addr().(*net.TCPAddr).AddrPort()))
}

// everywhere writes all addresses, IPv6 and IPv4, in one way.
func everywhere(a netip.AddrPort) netip.AddrPort {
	if a.Addr() == netip.IPv6Unspecified() {
		return netip.AddrPortFrom(netip.Addr{}, a.Port())
	}
	return a
}

// unused says which sockets were passed in vain: their clients wait. They are kept, for a reload may name their address.
func (s *Server) unused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.Passed {
		s.Log.Warn("a socket was passed to the process, but no service listens there", "address", listenAddress(passedAt(l)))
	}
}
