package mailtest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/armon/go-proxyproto"
	proxyv2 "github.com/pires/go-proxyproto"

	"posthouse/config"
)

const (
	headerTimeout    = 5 * time.Second  // a balancer writes its header at once; a lost segment takes 200 ms and more
	handshakeTimeout = 10 * time.Second // a slow client on a busy machine needs seconds, an absent one must not stay
	idleTimeout      = 35 * time.Minute // RFC 9051, 5.4: no less than 30 minutes
)

var errNoHeader = errors.New("no PROXY header")

// conn is a client's connection below TLS. It stands still while its node is frozen, and its Close ends the session:
// whoever serves it closes it last.
type conn struct {
	net.Conn // what is read: raw, or raw behind the PROXY header
	raw      net.Conn
	node     *Node
	life     *life
	names    []string        // the services of its port
	header   *proxyv2.Header // nil: none of version 2
	once     sync.Once
}

func (c *conn) Read(p []byte) (int, error) {
	c.node.wait()
	n, err := c.Conn.Read(p)
	c.node.wait() // what arrived after the freeze stays unseen
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.node.wait()
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.raw.Close()
		c.life.remove(c.raw)
	})
	return err
}

// serve is a session from its first byte to the greeting; the protocol takes it from there.
func (n *Node) serve(c *conn) {
	n.wait()
	service := services[c.names[0]]
	if err := c.readHeader(); err != nil {
		c.Close()
		return
	}
	var stream net.Conn = c
	if service.implicitTLS {
		secured := tls.Server(c, n.TLS)
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
		defer cancel()
		if err := secured.HandshakeContext(ctx); err != nil {
			c.Close()
			return
		}
		stream = secured
	}
	if service.protocol != "http" { // where each request is a session
		n.note(Session{Service: c.names[0], Client: c.client()})
	}
	service.serve(n, stream)
}

// readHeader takes the PROXY header off the connection, if the node asks for one.
func (c *conn) readHeader() error {
	timeout := c.node.HeaderTimeout
	if timeout == 0 {
		timeout = headerTimeout
	}
	switch c.node.Proxy {
	case config.ProxyV1:
		return c.readV1(timeout)
	case config.ProxyV2:
		return c.readV2(timeout)
	}
	return nil
}

// readV1 takes a PROXY header of version 1 off the connection. The library leaves three things to us: a missing or late
// header is no error to it, a line without end has no bound, and it logs what RemoteAddr finds wrong, but not what Read
// does.
func (c *conn) readV1(timeout time.Duration) error {
	bounded := &boundedConn{Conn: c.raw, left: 4096} // bufio's first read, which may hold a TLS hello behind the header
	proxied := proxyproto.NewConn(bounded, timeout)
	if _, err := proxied.Read(nil); err != nil {
		return err
	}
	// The same object, not an equal address: a balancer's probe names its own address in the header.
	if proxied.RemoteAddr() == c.raw.RemoteAddr() {
		return errNoHeader
	}
	bounded.left = unbounded
	c.Conn = proxied
	return nil
}

func (c *conn) client() netip.AddrPort {
	addr, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), uint16(addr.Port))
}

const unbounded = -1

// boundedConn ends after left bytes have been read.
type boundedConn struct {
	net.Conn
	left int
}

func (b *boundedConn) Read(p []byte) (int, error) {
	if b.left == unbounded {
		return b.Conn.Read(p)
	}
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// single is a listener with one connection to give: how a protocol server of a library serves a session that was
// accepted elsewhere.
type single struct{ c net.Conn }

func (s *single) Accept() (net.Conn, error) {
	if s.c == nil {
		return nil, net.ErrClosed
	}
	c := s.c
	s.c = nil
	return c, nil
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return nil }
