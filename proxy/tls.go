package proxy

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"posthouse/config"
	"posthouse/wire"
)

// terms are what clients of a service are granted where their TLS ends here.
type terms struct {
	config    *tls.Config
	strangers *tls.Config // for a name that we have no certificate for
	challenge bool        // acme-tls/1 is for a node
}

func newTerms(p config.Protocol, minVersion uint16) *terms {
	t := &terms{challenge: p == config.HTTP}
	t.config = &tls.Config{MinVersion: minVersion, NextProtos: alpnOf(p), GetCertificate: chosen}
	// Without tickets no session that was made for another name is resumed: crypto/tls comes to look for a certificate,
	// finds none and says unrecognized_name (RFC 6066, 3).
	t.strangers = &tls.Config{MinVersion: minVersion, GetCertificate: chosen, SessionTicketsDisabled: true}
	return t
}

// alpnOf are the names of a protocol (RFC 7301, 6). A client that offers others only means another server than ours and may have been
// led here by an attacker (ALPACA): it is refused with no_application_protocol. One that offers none is served.
func alpnOf(p config.Protocol) []string {
	switch p {
	case config.HTTP:
		return []string{"http/1.1"}
	case config.IMAP:
		return []string{"imap"}
	case config.POP3:
		return []string{"pop3"}
	case config.Sieve:
		return []string{"managesieve"}
	case config.SMTP, config.LMTP:
		return []string{"smtp", "esmtp"} // none is registered; these are what Exim takes
	}
	return nil // tcp: we do not know what is spoken
}

// challengeProtocol is what a certificate authority offers, and nothing else, when it asks for the proof of a name (RFC 8737, 3). The
// node that ordered the certificate knows the answer.
const challengeProtocol = "acme-tls/1"

var errPassedOn = errors.New("the hello is for a node")

// newClientTLS is the configuration with which each handshake with a client begins. The keys of session tickets live in it and are changed
// by crypto/tls every day: as it outlives reloads, so do the sessions that clients resume. What a client gets is decided when
// its hello is read.
func newClientTLS() *tls.Config {
	return &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		return info.Conn.(*tape).decide(info)
	}}
}

func chosen(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return info.Conn.(*tape).certificate, nil
}

// endTLS makes the client's handshake. After it secure is set, or the hello of a challenge that goes on to a node.
func (s *session) endTLS() end {
	t := &tape{carrier: carrier{TCPConn: s.client}, session: s, hello: &hello{raw: make([]byte, 0, 2<<10)}}
	secure := tls.Server(t, s.server.clientTLS)
	var err error
	s.client.SetWriteDeadline(time.Now().Add(helloTime))
	inTime := s.reading(helloTime, func() { err = secure.Handshake() })
	t.pass()
	s.heard.hello = s.lap()
	switch {
	case s.challenge:
		return underway
	case !inTime:
		return endShutdown
	case err != nil:
		s.alerted = true
		return s.unsecured(t, err)
	}
	s.client.SetWriteDeadline(time.Time{})
	s.secured(secure)
	return underway
}

// makeAudible makes the handshake of a client that was turned away before it, because our words are heard inside TLS only.
func (s *session) makeAudible(why end) {
	if s.front.endsTLS && s.secure == nil && (why == endDenied || why == endLimit) && s.server.courtesy.due(time.Now()) {
		s.endTLS() // what becomes of it changes nothing
	}
}

// courtesyRate is how many handshakes are made only to say no. They cost as much as any: more of them would let clients that no limit
// lets in take the processor from the others, which get no words then. It is some 3 % of a core.
var courtesyRate = config.Rate{Events: 100, Per: time.Second}

// courtesy measures out those handshakes. The zero value is ready.
type courtesy struct {
	mu     sync.Mutex // guards the following
	bucket client
}

func (c *courtesy) due(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bucket.refill(courtesyRate, now.Sub(base))
	if c.bucket.tokens < 1 {
		return false
	}
	c.bucket.tokens--
	return true
}

func (s *session) secured(c *tls.Conn) {
	state := c.ConnectionState()
	s.secure, s.alpn, s.resumed = c, state.NegotiatedProtocol, state.DidResume
	s.tlsVersion = versionName(state.Version)
	s.clientTLS = &wire.ProxyTLS{Version: "TLSv" + s.tlsVersion, Cipher: cipherNames[state.CipherSuite]}
	s.service.metrics.handshake(state.DidResume)
}

// cipherNames are those of all cipher suites that crypto/tls knows. Its own look-up makes lists of them each time.
var cipherNames = func() map[uint16]string {
	names := make(map[uint16]string)
	for _, c := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names[c.ID] = c.Name
	}
	return names
}()

// unsecured says why there was no handshake.
func (s *session) unsecured(t *tape, err error) end {
	if t.hello != nil {
		return s.unreadable(t.hello, err)
	}
	s.service.metrics.failed(stageHandshake)
	s.server.Log.Debug("handshake", "id", s.id.String(), "peer", s.peer.String(), "sni", s.serverName, "why", err.Error())
	if t.unknown {
		return endServerName
	}
	return endHandshake
}

// tape is the client's connection under TLS. Until the hello is complete it records what is read, for a node may be meant.
type tape struct {
	carrier
	session     *session
	hello       *hello // until it is complete
	certificate *tls.Certificate
	unknown     bool // nobody here has the name that the client asks for
	passing     bool // it is in the server's turnstile
	asksAgain   bool // our answer asks for a second hello
}

func (t *tape) Read(p []byte) (int, error) {
	if t.hello == nil {
		return t.readOn(p)
	}
	room := maxHello - len(t.hello.raw)
	if room == 0 {
		return 0, errHelloSize
	}
	n, err := t.TCPConn.Read(p[:min(len(p), room)])
	t.hello.raw = append(t.hello.raw, p[:n]...)
	return n, err
}

// readOn reads what comes behind the hello. If that is a second one, it may be complete now, and all is computed after it.
func (t *tape) readOn(p []byte) (int, error) {
	t.pass()
	n, err := t.carrier.Read(p)
	if t.asksAgain && n > 0 {
		t.enter()
	}
	return n, err
}

// Write drops the alert with which crypto/tls leaves a hello that a node answers.
func (t *tape) Write(p []byte) (int, error) {
	if t.passing {
		t.asksAgain = asksAgain(p)
		t.pass()
	}
	if t.session.challenge {
		return len(p), nil
	}
	return t.carrier.Write(p)
}

// decide finds the service and the certificate that a complete hello asks for.
func (t *tape) decide(info *tls.ClientHelloInfo) (*tls.Config, error) {
	s, h := t.session, t.hello
	t.hello = nil
	t.enter()
	h.note(info)
	s.serverName, s.tlsVersion = sayable(h.serverName), h.tlsVersion()
	service := s.front.named(h.serverName)
	if service == nil {
		t.unknown = true
		return s.service.terms.strangers, nil
	}
	s.service = service
	if service.terms.challenge && slices.Equal(h.protocols, []string{challengeProtocol}) {
		s.challenge, s.hello = true, h
		return nil, errPassedOn
	}
	t.certificate = s.server.keyring.Load().choose(info, s.mustFlow())
	if t.certificate == nil {
		t.unknown = true
		return service.terms.strangers, nil
	}
	return service.terms.config, nil
}

// mustFlow says whether a client with a name that we do not know is shown the first certificate: senders of mail rather take
// any than go without TLS, and most do not look at it (RFC 7672, 1.3.1).
func (s *session) mustFlow() bool {
	return s.service.Protocol == config.SMTP && s.destination.Port() == 25
}

// challengePort is a node's TLS port for http.
func challengePort(t *config.Topology, n *config.Node, s *config.Service) uint16 {
	if s.TLS == config.Reencrypt {
		return n.Port(s)
	}
	for _, other := range t.Services {
		tls := other.TLS == config.Passthrough || other.TLS == config.Reencrypt
		if other.Protocol == config.HTTP && tls && n.Runs(other.Name) {
			return n.Port(other)
		}
	}
	return 443
}

func versionName(v uint16) string { return strings.TrimPrefix(tls.VersionName(v), "TLS ") }
