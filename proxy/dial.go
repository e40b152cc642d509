package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/config"
)

// dialer connects to nodes from the source addresses of a service in turn.
type dialer struct{ turn atomic.Uint32 }

func newDialer() *dialer {
	d := new(dialer)
	d.turn.Store(rand.Uint32()) // balancers that start together do not begin with the same source
	return d
}

// dial tries every source of the address's family once: each has 28,232 ports of its own to one address and port, and
// EADDRNOTAVAIL says that they are taken. The zero until sets no limit beside timeouts.connect.
func (d *dialer) dial(ctx context.Context, s *config.Service, to netip.AddrPort, until time.Time) (*net.TCPConn, error) {
	nd := net.Dialer{Timeout: s.Timeouts.Connect, Deadline: until, KeepAliveConfig: keepAlive, Control: bindLater}
	sources := sourcesFor(s, to)
	if sources == 0 {
		return nd.DialTCP(ctx, "tcp", netip.AddrPort{}, to)
	}
	var conn *net.TCPConn
	var err error
	turn := d.turn.Add(1)
	for i := range sources {
		from := nth(s.Source, to.Addr().Is4(), int((turn+uint32(i))%uint32(sources)))
		conn, err = nd.DialTCP(ctx, "tcp", netip.AddrPortFrom(from, 0), to)
		if err == nil || !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.EADDRINUSE) {
			return conn, err
		}
	}
	return nil, unix.EADDRNOTAVAIL
}

// source is the next source for an address; the zero Addr where any will do.
func (d *dialer) source(s *config.Service, to netip.AddrPort) netip.Addr {
	sources := sourcesFor(s, to)
	if sources == 0 {
		return netip.Addr{}
	}
	return nth(s.Source, to.Addr().Is4(), int(d.turn.Add(1)%uint32(sources)))
}

// sourcesFor is how many sources have an address's family.
func sourcesFor(s *config.Service, to netip.AddrPort) (n int) {
	for _, a := range s.Source {
		if a.Is4() == to.Addr().Is4() {
			n++
		}
	}
	return n
}

// nth is the source number n of a family.
func nth(sources []netip.Addr, four bool, n int) netip.Addr {
	for _, a := range sources {
		if a.Is4() != four {
			continue
		}
		if n == 0 {
			return a
		}
		n--
	}
	return netip.Addr{}
}
