package proxy

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sharingBind listens as a process does that would share the port.
func sharingBind(a netip.AddrPort) error {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	l, err := lc.Listen(context.Background(), "tcp", a.String())
	if err == nil {
		l.Close()
	}
	return err
}

func TestBindEveryAddress(t *testing.T) {
	for _, every := range []netip.AddrPort{{}, netip.MustParseAddrPort("[::]:0")} {
		t.Run(listenAddress(every), func(t *testing.T) { reachesEveryAddress(t, every) })
	}
}

func reachesEveryAddress(t *testing.T, every netip.AddrPort) {
	l, err := bind(every, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	for _, address := range []string{"127.0.0.1", "127.0.0.9", "::1"} {
		c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), port)))
		if err != nil {
			if address == "::1" {
				t.Skip("no IPv6 here")
			}
			t.Fatal(err)
		}
		c.Close()
		accepted, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		if got := addressOf(accepted.RemoteAddr()).Addr(); got.Is4In6() || got.Is4() != !strings.Contains(address, ":") {
			t.Errorf("the client of %s is %v", address, got)
		}
		accepted.Close()
	}
}
