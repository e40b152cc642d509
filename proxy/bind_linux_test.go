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

// Towards nodes: nobody else would notice that a node's machine is gone while a client idles.
func TestNodeSocketsKeepAlive(t *testing.T) {
	r := newRig(t, nil, newNode(t, echo))
	w := newWalk(r.sessionAlone(), r.server.Router.Table())
	a, why := w.run()
	if why != underway {
		t.Fatalf("run = %v", why)
	}
	raw, err := a.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { keepsAlive(t, int(fd)) })
	a.leave()
}

func keepsAlive(t *testing.T, fd int) {
	t.Helper()
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
