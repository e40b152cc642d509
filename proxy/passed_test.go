package proxy

import (
	"net"
	"net/netip"
	"testing"

	"posthouse/config"
)

// A socket that was bound by somebody else is used for the service at its address, and the others are said.
func TestPassedSockets(t *testing.T) {
	listen := func() *net.TCPListener {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	wanted, other := listen(), listen()
	defer other.Close()
	address := wanted.Addr().(*net.TCPAddr).AddrPort()
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(func(s *config.Service) { s.Listen = []netip.AddrPort{address} }, newNode(t, echo))}
	r.service = r.topology.Services[0]
	r.passed = []*net.TCPListener{other, wanted}
	r.start() // binding the address again would fail
	c := r.connect()
	c.hear(greeting)
	eventually(t, "the word about the other one", func() bool {
		lines := r.log.lines("a socket was passed to the process, but no service listens there")
		return len(lines) == 1 && lines[0]["address"] == other.Addr().String()
	})
}

func TestPassedEverywhere(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	for _, text := range []string{"::", ""} {
		a, _ := netip.ParseAddr(text)
		s := &Server{Passed: []*net.TCPListener{l}}
		got, err := s.open(netip.AddrPortFrom(a, port), false)
		if err != nil || got.TCPListener != l || len(s.Passed) != 0 {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// A change that is given up leaves what was passed for the next one.
func TestPassedSocketOutlivesAbort(t *testing.T) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(nil, newNode(t, echo)), passed: []*net.TCPListener{l}}
	r.service = r.topology.Services[0]
	r.start()
	next := with(r.topology, copyOf(r.service, func(s *config.Service) {
		s.Listen = []netip.AddrPort{l.Addr().(*net.TCPAddr).AddrPort()}
	}))
	change, err := r.server.Prepare(next)
	if err != nil {
		t.Fatal(err)
	}
	change.Abort()
	waiting, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	r.apply(next)
	newPeer(t, waiting).hear(greeting)
}
