package mailtest

import (
	"bytes"
	"crypto/tls"
	"net"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

var imapCaps = imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}, imap.CapNamespace: {}, imap.CapMove: {}, imap.CapUIDPlus: {}}

func serveIMAP(n *Node, c net.Conn) {
	startTLS := n.TLS
	if _, secured := c.(*tls.Conn); secured {
		startTLS = nil
	}
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return n.Store.session(), nil, nil
		},
		Caps:         imapCaps,
		Logger:       quiet,
		TLSConfig:    startTLS,
		InsecureAuth: true,
	})
	server.Serve(&single{&namedConn{Conn: c, name: n.Name}}) // returns at once; the session goes on
}

// namedConn puts the node's name into the greeting, as the library has a fixed one:
// "* OK [CAPABILITY ...] IMAP server ready". It comes in one write.
type namedConn struct {
	net.Conn
	name    string
	greeted bool // only the first write reads it, before others can begin
}

func (c *namedConn) Write(p []byte) (int, error) {
	if c.greeted {
		return c.Conn.Write(p)
	}
	c.greeted = true
	greeting := bytes.Replace(p, []byte("] IMAP server"), []byte("] "+c.name+" IMAP server"), 1)
	if _, err := c.Conn.Write(greeting); err != nil {
		return 0, err
	}
	return len(p), nil
}
