package proxy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"posthouse/config"
)

// bindAsManager listens as a service manager does that has been told nothing but the address.
func bindAsManager(t *testing.T, address string, only6 int) *net.TCPListener {
	t.Helper()
	lc := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		if network != "tcp6" {
			return nil
		}
		return control(raw, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only6) })
	}}
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Skip("no such address here: ", err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	defer f.Close()
	passed, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	return passed.(*net.TCPListener)
}

// A client's socket has our keep-alive whoever has bound the one that it came to and whoever accepts there, a loop or a goroutine.
func TestAcceptedSocketsKeepAlive(t *testing.T) {
	rows := []struct {
		name   string
		change func(*config.Service)
		node   script
		begin  func(*peer)
	}{
		{"loop", nil, echo, func(c *peer) { c.hear(greeting) }},
		{"goroutine", httpService, answers(nil, answered("")), func(c *peer) { c.ask(get("/")) }},
	}
	for _, row := range rows {
		for _, passed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, passed %v", row.name, passed), func(t *testing.T) {
				r := &rig{t: t, log: new(logBuffer), topology: newTopology(row.change, newNode(t, row.node))}
				r.service = r.topology.Services[0]
				if passed {
					l := bindAsManager(t, "127.0.0.1:0", 0)
					r.passed, r.service.Listen = []*net.TCPListener{l}, []netip.AddrPort{l.Addr().(*net.TCPAddr).AddrPort()}
				}
				r.start()
				c := r.connect()
				row.begin(c)
				keepsAlive(t, otherEnd(c))
			})
		}
	}
}

// A reload may take the socket from the loops: a goroutine accepts there then.
func TestAcceptedSocketsKeepAliveAfterReload(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	r.apply(with(r.topology, copyOf(r.service, func(s *config.Service) {
		s.AcceptProxy = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})))
	c := r.connect()
	c.hear(greeting)
	keepsAlive(t, otherEnd(c))
}

// otherEnd is the descriptor with which this process has accepted a connection of its own; -1 if there is none.
func otherEnd(c *peer) int {
	ours := addressOf(c.LocalAddr())
	for fd := range 1024 {
		peer, _ := unix.Getpeername(fd)
		if peer, ok := peer.(*unix.SockaddrInet4); ok && netip.AddrPortFrom(netip.AddrFrom4(peer.Addr), uint16(peer.Port)) == ours {
			return fd
		}
	}
	return -1
}

// A socket that takes IPv6 alone is not every address, and cannot become it.
func TestPassedOnlyIPv6(t *testing.T) {
	for only6, want := range []string{"", "BindIPv6Only=both"} {
		l := bindAsManager(t, "[::]:0", only6)
		port := l.Addr().(*net.TCPAddr).AddrPort().Port()
		for _, a := range []netip.Addr{{}, netip.IPv6Unspecified()} {
			s := &Server{Passed: []*net.TCPListener{l}}
			_, err := s.open(netip.AddrPortFrom(a, port), false)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("IPV6_V6ONLY %d: open = %v, want %q", only6, err, want)
			}
		}
		l.Close()
	}
}
