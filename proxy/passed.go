package proxy

import (
	"net"
	"net/netip"
	"slices"
)

// open is the listening socket for an address: one that was passed to the process, or one of its own.
func (s *Server) open(a netip.AddrPort, freebind bool) (*net.TCPListener, error) {
	i := slices.IndexFunc(s.Passed, func(l *net.TCPListener) bool { return passedAt(l) == everywhere(a) })
	if i < 0 {
		return bind(a, freebind)
	}
	l := s.Passed[i]
	s.Passed = slices.Delete(s.Passed, i, i+1)
	raw, err := l.SyscallConn()
	if err == nil {
		err = control(raw, func(fd int) error { return prepareListener(fd, freebind) })
	}
	if err != nil {
		l.Close()
		return nil, bindError(a, err)
	}
	return l, nil
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
