package proxy

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/config"
)

func TestCertificateByName(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"}, []string{"b.example", "www.b.example"}, []string{"*.c.example"}, []string{"x.c.example"})
	for _, row := range []struct{ asked, shown string }{
		{"a.example", "a.example"},
		{"A.Example", "a.example"},
		{"www.b.example", "b.example"},
		{"y.c.example", "*.c.example"},
		{"x.c.example", "x.c.example"},
		{"", "a.example"},
		{"z.y.c.example", ""},
		{"c.example", ""},
		{"d.example", ""},
		{"localhost", ""},
	} {
		c := g.client(&tls.Config{ServerName: row.asked})
		err := c.Handshake()
		switch {
		case row.shown == "" && (err == nil || !strings.Contains(err.Error(), "unrecognized name")):
			t.Errorf("%q: %v, want unrecognized_name", row.asked, err)
		case row.shown != "" && err != nil:
			t.Errorf("%q: %v", row.asked, err)
		case row.shown != "" && c.ConnectionState().PeerCertificates[0].Subject.CommonName != row.shown:
			t.Errorf("%q: %v, want %s", row.asked, c.ConnectionState().PeerCertificates[0].Subject, row.shown)
		}
		c.Close()
	}
}

// Of two certificates with the same name a client gets the one that it can verify.
func TestCertificateByKind(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g.topology.TLS.Certificates = slices.Insert(g.topology.TLS.Certificates, 0,
		writePair(t, g.dir, "rsa", g.ca.sign(key, "rsa", nil, "a.example")))
	g.commit()
	for _, row := range []struct {
		suite uint16
		shown string
	}{
		{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "a.example"},
		{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "rsa"},
	} {
		c := g.client(&tls.Config{ServerName: "a.example", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{row.suite}})
		if err := c.Handshake(); err != nil || c.ConnectionState().PeerCertificates[0].Subject.CommonName != row.shown {
			t.Errorf("%s: %v, %v", tls.CipherSuiteName(row.suite), err, c.ConnectionState().PeerCertificates)
		}
		c.Close()
	}
}

func TestUnknownName(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	g.client(&tls.Config{ServerName: "b.example"}).Handshake()
	g.result(1)
	if line := g.expectEnd("server-name"); line["sni"] != "b.example" {
		t.Errorf("session log: %v", line)
	}
}

// Mail must flow: on port 25 a sender that asks for a name of its own gets the first certificate.
func TestUnknownNameOnPort25(t *testing.T) {
	c := newCertificates(nil)
	c.first = new(tls.Certificate)
	unknown := &tls.ClientHelloInfo{ServerName: "b.example"}
	if c.choose(unknown, false) != nil || c.choose(unknown, true) != c.first {
		t.Error("choose does not follow anyName")
	}
	for _, row := range []struct {
		protocol config.Protocol
		port     string
		want     bool
	}{
		{config.SMTP, "25", true}, {config.SMTP, "465", false}, {config.HTTP, "25", false},
	} {
		s := &session{approach: new(approach), service: &service{Service: &config.Service{Protocol: row.protocol}}}
		s.destination = netip.MustParseAddrPort("127.0.0.1:" + row.port)
		if got := s.mustFlow(); got != row.want {
			t.Errorf("%s on %s: %v", row.protocol, row.port, got)
		}
	}
}

// RFC 6066, 3 has no addresses for names, so Go's clients send none; mbsync does.
func TestAddressForName(t *testing.T) {
	c := newCertificates(nil)
	c.first = new(tls.Certificate)
	for name, want := range map[string]*tls.Certificate{"192.0.2.1": c.first, "2001:db8::1": c.first, "192.0.2.example": nil} {
		if got := c.choose(&tls.ClientHelloInfo{ServerName: name}, false); got != want {
			t.Errorf("%s: %p, want %p", name, got, want)
		}
	}
}

// So many handshakes compute at a time, and a client that is slow with its part keeps nobody out.
func TestTurnstile(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	turnstile := g.server.turnstile
	slow := make([]*heldBack, 2*cap(turnstile))
	for i := range slow { // they have our answer and say nothing to it
		slow[i] = &heldBack{Conn: g.dial(), answered: make(chan struct{})}
		c := tls.Client(slow[i], &tls.Config{ServerName: "a.example", RootCAs: g.ca.pool})
		go c.Handshake()
	}
	for _, s := range slow {
		select {
		case <-s.answered:
		case <-time.After(patience):
			t.Fatal("a client that does not answer keeps others out")
		}
	}
	c := g.client(&tls.Config{ServerName: "a.example"})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody is in it", func() bool { return len(turnstile) == 0 })
	for range cap(turnstile) {
		turnstile <- struct{}{}
	}
	waiting := &heldBack{Conn: g.dial(), answered: make(chan struct{})}
	shaken := make(chan error, 1)
	go func() {
		shaken <- tls.Client(waiting, &tls.Config{ServerName: "a.example", RootCAs: g.ca.pool}).Handshake()
	}()
	select {
	case <-waiting.answered:
		t.Error("a handshake passed a turnstile that was full")
	case <-time.After(50 * time.Millisecond):
	}
	for range cap(turnstile) {
		<-turnstile
	}
	<-waiting.answered
	waiting.Close()
	<-shaken
	for _, s := range slow {
		s.Close()
	}
	c.Close()
}

// A client whose share of a key is of another group says its hello a second time. The certificate is signed for after that, in the turnstile too.
func TestTurnstileAfterRetry(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	g.mu.Lock()
	settings := g.front.services[0].terms.config
	settings.CurvePreferences = []tls.CurveID{tls.CurveP384}
	inside := make(chan int, 1)
	settings.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		inside <- len(g.server.turnstile)
		return chosen(info)
	}
	g.mu.Unlock()
	for _, pieces := range []bool{false, true} {
		var under net.Conn = g.dial()
		if pieces {
			under = bytewise{under}
		}
		c := tls.Client(under, &tls.Config{ServerName: "a.example", RootCAs: g.ca.pool})
		talk(t, c)
		if !c.ConnectionState().HelloRetryRequest {
			t.Fatal("the hello was not asked for again")
		}
		if n := <-inside; n != 1 {
			t.Errorf("in pieces: %t: %d are in the turnstile, want the one that computes", pieces, n)
		}
		leave(t, c)
	}
	eventually(t, "nobody is in it", func() bool { return len(g.server.turnstile) == 0 })
}

// bytewise writes its bytes one by one.
type bytewise struct{ net.Conn }

func (b bytewise) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// heldBack is a client's connection that says its hello and, once it has the answer, nothing more.
type heldBack struct {
	net.Conn
	answered chan struct{}
	once     sync.Once
}

func (h *heldBack) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b[:min(len(b), 5)])
	if n > 0 {
		h.once.Do(func() { close(h.answered) })
		return 0, io.EOF
	}
	return n, err
}

// A session that was made for one name does not open another one that we do not have.
func TestUnknownNameIsNotResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		g := newGate(t, nil, []string{"a.example"})
		cache := sessionsOf{tls.NewLRUClientSessionCache(1), "one for every name"}
		known := g.client(&tls.Config{ServerName: "a.example", ClientSessionCache: cache, InsecureSkipVerify: true, MaxVersion: version})
		talk(t, known)
		leave(t, known)
		c := g.client(&tls.Config{ServerName: "b.example", ClientSessionCache: cache, InsecureSkipVerify: true, MaxVersion: version})
		if err := c.Handshake(); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

// A client that means another protocol is refused (ALPACA).
func TestALPN(t *testing.T) {
	const refused = "refused"
	for _, row := range []struct {
		protocol config.Protocol
		offered  string
		agreed   string
	}{
		{config.HTTP, "", ""},
		{config.HTTP, "http/1.1", "http/1.1"},
		{config.HTTP, "h2 http/1.1", "http/1.1"},
		{config.HTTP, "h2", refused},
		{config.HTTP, "imap", refused},
		{config.HTTP, "acme-tls/1 imap", refused}, // RFC 8737, 3: a challenge offers nothing else
		{config.IMAP, "imap", "imap"},
		{config.IMAP, "", ""},
		{config.IMAP, "http/1.1", refused},
		{config.IMAP, "acme-tls/1", refused},
		{config.POP3, "pop3", "pop3"},
		{config.POP3, "imap", refused},
		{config.Sieve, "managesieve", "managesieve"},
		{config.Sieve, "http/1.1 h2", refused},
		{config.SMTP, "smtp", "smtp"},
		{config.SMTP, "", ""},
		{config.SMTP, "http/1.1", refused},
		{config.TCP, "anything", ""},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			g := newGate(t, func(s *config.Service) { s.Protocol = row.protocol }, []string{"a.example"})
			c := g.client(&tls.Config{ServerName: "a.example", NextProtos: strings.Fields(row.offered), MaxVersion: version})
			err := c.Handshake()
			got := c.ConnectionState().NegotiatedProtocol
			if err != nil {
				got = err.Error()
			}
			if row.agreed != refused && got != row.agreed || row.agreed == refused && !strings.Contains(got, "no application protocol") {
				t.Errorf("%s, client offers %q in %s: %q, want %q", row.protocol, row.offered, tls.VersionName(version), got, row.agreed)
			}
			if row.agreed == refused {
				g.result(1)
				g.expectEnd("handshake")
			}
			c.Close()
		}
	}
}

func TestMinVersion(t *testing.T) {
	for _, row := range []struct {
		least, offered uint16
		good           bool
	}{
		{tls.VersionTLS12, tls.VersionTLS12, true},
		{tls.VersionTLS13, tls.VersionTLS13, true},
		{tls.VersionTLS13, tls.VersionTLS12, false},
		{tls.VersionTLS12, tls.VersionTLS11, false},
	} {
		g := newGate(t, nil, []string{"a.example"})
		g.topology.TLS.MinVersion = row.least
		g.commit()
		c := g.client(&tls.Config{ServerName: "a.example", MinVersion: tls.VersionTLS10, MaxVersion: row.offered})
		err := c.Handshake()
		if (err == nil) != row.good || err != nil && !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("at least %s, client %s: %v", tls.VersionName(row.least), tls.VersionName(row.offered), err)
		}
		c.Close()
	}
}

// What the session log and the node are told.
func TestSecuredFacts(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	settings := &tls.Config{ServerName: "a.example", NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i, resumed := range []any{nil, true} {
		c := g.client(settings)
		talk(t, c)
		leave(t, c)
		line := g.ended(i + 1)
		if line["sni"] != "a.example" || line["tls"] != "1.3" || line["alpn"] != "http/1.1" || line["cipher"] != "TLS_AES_128_GCM_SHA256" || line["resumed"] != resumed {
			t.Errorf("session log: %v", line)
		}
	}
}

// Each side's close_notify is passed as the end of its direction only, and ours is sent before the FIN.
func TestCloseNotify(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		g := newGate(t, nil, []string{"a.example"})
		plain := g.dial()
		seen := &lastRecord{Conn: plain}
		c := tls.Client(seen, &tls.Config{ServerName: "a.example", RootCAs: g.ca.pool, MaxVersion: version})
		big := strings.Repeat("x", 1<<20)
		go func() {
			io.WriteString(c, big)
			c.CloseWrite()
		}()
		if back, err := io.ReadAll(c); err != nil || string(back) != big {
			t.Errorf("%s: after a half-close %d bytes came back, %v", tls.VersionName(version), len(back), err)
		}
		// A TLS 1.2 alert is seen as such; a TLS 1.3 one has the length of an alert, its type and a tag.
		if alert := seen.kind == 21 || seen.length == 2+1+16; !alert {
			t.Errorf("%s: the last record is of type %d and %d bytes long", tls.VersionName(version), seen.kind, seen.length)
		}
		plain.Close()
		g.result(1)
		g.expectEnd("client")
	}
}

// lastRecord watches the records that a client reads.
type lastRecord struct {
	net.Conn
	kind   byte
	length int
	head   []byte
	body   int // bytes of the record that are still to come
}

func (r *lastRecord) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	for b := p[:n]; len(b) > 0; {
		if skip := min(r.body, len(b)); skip > 0 {
			r.body -= skip
			b = b[skip:]
			continue
		}
		r.head = append(r.head, b[0])
		b = b[1:]
		if len(r.head) == 5 {
			r.kind, r.length = r.head[0], int(binary.BigEndian.Uint16(r.head[3:]))
			r.body, r.head = r.length, nil
		}
	}
	return n, err
}
