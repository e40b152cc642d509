package mailtest

import (
	"bufio"
	"net"
	"time"

	proxyv2 "github.com/pires/go-proxyproto"
)

// readV2 takes a PROXY header of version 2 off the connection. The library reads version 1 too, and no header at all is
// an error to it.
func (c *conn) readV2(timeout time.Duration) error {
	r := bufio.NewReaderSize(c.raw, 256) // an usual header with its TLVs, and little of what follows it
	c.raw.SetReadDeadline(time.Now().Add(timeout))
	header, err := proxyv2.Read(r)
	if err != nil {
		return err
	}
	if header.Version != 2 {
		return errNoHeader
	}
	c.raw.SetReadDeadline(time.Time{})
	proxied := &proxiedConn{Conn: c.raw, r: r, remote: c.raw.RemoteAddr()}
	if header.Command.IsProxy() { // else it speaks for itself: a probe
		proxied.remote = header.SourceAddr
	}
	c.Conn, c.header = proxied, header
	return nil
}

// proxiedConn is a connection behind its header.
type proxiedConn struct {
	net.Conn
	r      *bufio.Reader // what was read with the header; nil: nothing is left of it
	remote net.Addr
}

func (p *proxiedConn) Read(b []byte) (int, error) {
	if p.r != nil && p.r.Buffered() > 0 {
		return p.r.Read(b)
	}
	p.r = nil
	return p.Conn.Read(b)
}

func (p *proxiedConn) RemoteAddr() net.Addr { return p.remote }
