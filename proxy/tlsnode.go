package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"posthouse/config"
)

// nodeTLS is how TLS towards the nodes of a service is spoken.
type nodeTLS struct {
	config      *tls.Config
	authorities *authorities
	sessions    tls.ClientSessionCache // of all services
}

// maxNodeSessions bounds the TLS sessions that can be resumed: one for each address of a node. One takes some 2 KiB, chains of
// certificates are shared.
const maxNodeSessions = 4096

func newNodeTLS(c config.TLS, p config.Protocol, a *authorities, sessions tls.ClientSessionCache) *nodeTLS {
	n := &nodeTLS{authorities: a, sessions: sessions, config: &tls.Config{
		ServerName: c.NodeName, InsecureSkipVerify: !c.NodeVerify, MinVersion: tls.VersionTLS12,
	}}
	if p == config.HTTP {
		n.config.NextProtos = alpnOf(p)
	}
	return n
}

// client begins TLS on a connection to a node. All nodes are verified by one name, so crypto/tls would keep one session for all
// of them: here each address has its own.
func (n *nodeTLS) client(c net.Conn, node netip.AddrPort) *tls.Conn {
	own := n.config.Clone()
	own.RootCAs = n.authorities.current.Load()
	own.ClientSessionCache = sessionsOf{n.sessions, node.String()}
	return tls.Client(c, own)
}

// sessionsOf is one node's part of the cache.
type sessionsOf struct {
	all  tls.ClientSessionCache
	node string
}

func (s sessionsOf) Get(string) (*tls.ClientSessionState, bool)    { return s.all.Get(s.node) }
func (s sessionsOf) Put(_ string, session *tls.ClientSessionState) { s.all.Put(s.node, session) }

// encrypt makes the handshake with the node.
func (a *attempt) encrypt() bool {
	secure := a.walk.node.client(&preceded{carrier: carrier{TCPConn: a.conn}, first: a.header}, a.address)
	if err := secure.Handshake(); err != nil {
		a.fail(judgeHandshake(err))
		a.explain(err)
		return false
	}
	a.secure = secure
	return true
}

// explain logs a node's failure. A certificate that is not accepted stays so until somebody does something: it is said loudly, but not
// for every session.
func (a *attempt) explain(err error) {
	s := a.walk.session
	level := slog.LevelDebug
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) && a.walk.server.distrust.due(time.Now()) {
		level = slog.LevelWarn
	}
	s.server.Log.Log(context.Background(), level, "node handshake",
		"id", s.id.String(), "node", a.backend.Node.Name, "address", a.address.String(), "why", err.Error())
}

// sometimes is true once in a while, for log lines that would be a flood. The zero value is ready.
type sometimes struct{ last atomic.Int64 } // Unix time in nanoseconds

func (s *sometimes) due(now time.Time) bool {
	last := s.last.Load()
	return now.UnixNano()-last >= int64(sayEvery) && s.last.CompareAndSwap(last, now.UnixNano())
}

// preceded is the connection under TLS with a node. Its first write has something before it: the PROXY header, which goes in one
// segment with the hello.
type preceded struct {
	carrier
	first []byte
}

func (p *preceded) Write(b []byte) (int, error) {
	if p.first == nil {
		return p.carrier.Write(b)
	}
	first := len(p.first)
	n, err := p.carrier.Write(append(p.first, b...))
	p.first = nil
	return max(n-first, 0), err
}

// silent says whether a node has neither said anything nor left on a connection on which nobody waits for it. A look at the socket alone
// would miss what crypto/tls has read already, and what was unasked would be taken for the answer to the next request; session tickets,
// on the other hand, are no words. Nobody else may read meanwhile.
func silent(c *tls.Conn) bool {
	var one [1]byte
	n, err := readNow(c, one[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// judgeHandshake says what is wrong with a node's TLS.
func judgeHandshake(err error) (outcome, string) {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert *net.OpError
	switch {
	case errors.As(err, &authority):
		return failed, "certificate-authority"
	case errors.As(err, &name):
		return failed, "certificate-name"
	case errors.As(err, &invalid):
		return failed, judgeInvalid(invalid)
	case errors.As(err, &record):
		return failed, "no-tls"
	case errors.As(err, &alert) && alert.Op == "remote error":
		return failed, "alert-" + strings.ReplaceAll(strings.TrimPrefix(alert.Err.Error(), "tls: "), " ", "-")
	}
	return judgeRead(err)
}

func judgeInvalid(err x509.CertificateInvalidError) string {
	switch {
	case err.Reason != x509.Expired:
		return "certificate-invalid"
	case err.Cert != nil && time.Now().Before(err.Cert.NotBefore):
		return "certificate-not-yet-valid"
	}
	return "certificate-expired"
}
