package healthcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"time"
)

const (
	// maxRead bounds what one probe reads: certificates and capabilities are far below, a node gone mad is not.
	maxRead = 64 << 10

	// lingering is how long a node has to say goodbye and close. Less, and slow nodes see their last words refused
	// with a reset; more only keeps a goroutine waiting.
	lingering = 250 * time.Millisecond
)

// dial connects to one address of a node, from one of our own addresses if the service names any of that family.
func (d *dialogue) dial(ctx context.Context, to netip.AddrPort) (*net.TCPConn, error) {
	dialer := net.Dialer{KeepAlive: -1} // a probe is over before the first keep-alive
	if source, found := pick(d.sources, to.Addr(), d.round); found {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		dialer.Control = bindAddressNoPort
	}
	conn, err := dialer.DialContext(deadlined{ctx, d.end}, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// deadlined is context.WithDeadline for package net, which keeps deadlines itself: it saves a timer for each probe.
type deadlined struct {
	context.Context
	end time.Time
}

func (c deadlined) Deadline() (time.Time, bool) { return c.end, true }

// pick takes the sources of a family in turn.
func pick(sources []netip.Addr, to netip.Addr, round int) (netip.Addr, bool) {
	for i := range sources {
		if a := sources[(round+i)%len(sources)]; a.Unmap().Is4() == to.Unmap().Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// bindAddressNoPort leaves the choice of the port to connect. Chosen by bind, a port would serve one connection to
// all nodes together, and the probes of a large cluster would run out of them.
func bindAddressNoPort(_, _ string, socket syscall.RawConn) error {
	const ipBindAddressNoPort = 24 // Linux, ip(7); package syscall has no name for it
	if runtime.GOOS != "linux" {
		return nil
	}
	return socket.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1) // a kernel without it: as it was
	})
}

// ours says whether a connection failed for want of something on this machine: ports, descriptors, memory, or the
// source address. That says nothing of the node.
func ours(err error) bool {
	for _, e := range []error{syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// meter is a connection that notes when the first byte came and that ends after maxRead bytes. It has a header to be
// written before all else.
type meter struct {
	*net.TCPConn
	header []byte // nil: none, or written
	first  time.Time
	read   int
}

var errTooMuch = errors.New("more than 64 KiB")

func (m *meter) Read(b []byte) (int, error) {
	if m.read >= maxRead {
		return 0, errTooMuch
	}
	n, err := m.TCPConn.Read(b[:min(len(b), maxRead-m.read)])
	if n > 0 && m.read == 0 {
		m.first = time.Now()
	}
	m.read += n
	return n, err
}

func (m *meter) Write(b []byte) (int, error) {
	if m.header == nil {
		return m.TCPConn.Write(b)
	}
	first := len(m.header)
	n, err := m.TCPConn.Write(append(m.header, b...))
	m.header = nil
	return max(n-first, 0), err
}

// part closes a connection so that the node sees the end of it and no reset: with FIN first, and with nothing unread
// when the descriptor goes (a close with unread input sends RST).
func part(conn *net.TCPConn, until time.Time) {
	conn.SetDeadline(until)
	if conn.CloseWrite() == nil {
		io.Copy(io.Discard, io.LimitReader(conn, maxRead))
	}
	conn.Close()
}
