package proxy

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFreebind(t *testing.T) {
	for _, address := range []string{"192.0.2.1:0", "[2001:db8::1]:0"} {
		a := netip.MustParseAddrPort(address)
		if l, err := bind(a, false); err == nil {
			l.Close()
			t.Errorf("%s was bound without freebind", address)
		}
		l, err := bind(a, true)
		if err != nil {
			t.Errorf("freebind: %v", err)
			continue
		}
		l.Close()
	}
}

func TestAcceptedSocketsKeepAlive(t *testing.T) {
	l, err := bind(netip.MustParseAddrPort("127.0.0.1:0"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	keepsAlive(t, accepted)
}

// Towards nodes too: nobody else would notice that a node's machine is gone while a client idles.
func TestNodeSocketsKeepAlive(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	w := newWalk(r.sessionAlone(), r.server.Router.Table())
	a, why := w.run()
	if why != underway {
		t.Fatalf("run = %v", why)
	}
	keepsAlive(t, a.conn)
	a.leave()
}

func keepsAlive(t *testing.T, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	control(raw, func(fd int) error {
		for _, o := range []struct {
			name                string
			level, option, want int
		}{
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
			{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		} {
			if got, err := unix.GetsockoptInt(fd, o.level, o.option); got != o.want || err != nil {
				t.Errorf("%s = %d, %v, want %d", o.name, got, err, o.want)
			}
		}
		return nil
	})
}

func TestBindErrors(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:993")
	for errno, want := range map[syscall.Errno]string{
		unix.EACCES:        "CAP_NET_BIND_SERVICE",
		unix.EADDRINUSE:    "ss -ltnp",
		unix.EADDRNOTAVAIL: "freebind: true",
		unix.EPROTO:        "protocol error",
	} {
		got := bindError(at, &net.OpError{Op: "listen", Err: errno}).Error()
		if !strings.HasPrefix(got, "listen on 192.0.2.1:993: ") || !strings.Contains(got, want) {
			t.Errorf("bindError(%v) = %s", errno, got)
		}
	}
}
