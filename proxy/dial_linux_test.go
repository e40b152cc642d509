package proxy

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/config"
)

// A port is chosen when the destination is known; else one node's connections would take the ports of all the others.
func TestPortsAreForEachDestination(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := netip.MustParseAddrPort(l.Addr().String())
	for _, sources := range [][]netip.Addr{nil, {netip.MustParseAddr("127.0.0.7")}} {
		s := &config.Service{Source: sources, Timeouts: config.Timeouts{Connect: time.Second}}
		c, err := newDialer().dial(context.Background(), s, to, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		raw, _ := c.SyscallConn()
		control(raw, func(fd int) error {
			if v, err := unix.GetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT); v != 1 || err != nil {
				t.Errorf("sources %v: the port was chosen too early", sources)
			}
			return nil
		})
		if len(sources) > 0 && addressOf(c.LocalAddr()).Addr() != sources[0] {
			t.Errorf("connected from %v, want %v", c.LocalAddr(), sources[0])
		}
	}
}
