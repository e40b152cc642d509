package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"posthouse/config"
	"posthouse/wire"
)

// secureNode speaks TLS by these settings until the other side closes.
func secureNode(t testing.TB, c *tls.Config) *node {
	return newNode(t, func(conn *net.TCPConn) { serveTLS(conn, c) })
}

func serveTLS(c net.Conn, settings *tls.Config) {
	s := tls.Server(c, settings)
	io.Copy(s, s)
	s.Close()
}

// walker is a server whose nodes are reached by TLS.
type walker struct {
	*rig
	front *front
}

func newWalker(t testing.TB, ca *authority, change func(*config.TLS, *config.Service), nodes ...*node) *walker {
	t.Helper()
	topology := newTopology(nil, nodes...)
	s := topology.Services[0]
	s.Protocol, s.TLS, s.Listen = config.HTTP, config.Reencrypt, nil
	topology.TLS = config.TLS{NodeCA: ca.file(t.TempDir()), NodeName: "mail.example.org", NodeVerify: true}
	if change != nil {
		change(&topology.TLS, s)
	}
	w := &walker{rig: &rig{t: t, log: new(logBuffer), topology: topology, service: s}}
	w.start()
	ready, err := w.server.Prepare(w.topology)
	if err != nil {
		t.Fatal(err)
	}
	ready.Commit()
	w.front = ready.front(config.Listener{Services: topology.Services})
	return w
}

// session is one whose client's TLS has ended here.
func (w *walker) session() *session {
	w.t.Helper()
	client, far := tcpPair(w.t)
	w.t.Cleanup(func() { far.Close(); client.Close() })
	s := newSession(w.server, client, w.front)
	s.secure = new(tls.Conn)
	s.serverName, s.alpn = "www.example.org", "http/1.1"
	s.clientTLS = &wire.ProxyTLS{Version: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256"}
	return s
}

func (w *walker) walk() (*walk, *attempt, end) {
	w.t.Helper()
	walk := newWalk(w.session(), w.server.Router.Table())
	a, why := walk.run()
	return walk, a, why
}

func tcpPair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if near, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// release ends what a walk has won.
func release(a *attempt) {
	if a != nil {
		a.leave()
	}
}

func TestNodeVerification(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	good := ca.issue("node", nil, "mail.example.org")
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	dated := func(from, to time.Duration) *tls.Config {
		return with(ca.issue("node", func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to)
		}, "mail.example.org"))
	}
	trusting := func(c *config.TLS, _ *config.Service) { c.NodeVerify = false }
	for _, row := range []struct {
		name   string
		node   *tls.Config
		change func(*config.TLS, *config.Service)
		failed string // "" = it takes the session
	}{
		{"good", with(good), nil, ""},
		{"another name that is asked for", with(ca.issue("node", nil, "node-1.internal")), func(c *config.TLS, _ *config.Service) { c.NodeName = "node-1.internal" }, ""},
		{"a name of the wrong host", with(ca.issue("node", nil, "other.example.org")), nil, "certificate-name"},
		{"an authority that is not node_ca", with(stranger.issue("node", nil, "mail.example.org")), nil, "certificate-authority"},
		{"self-signed", with(certificate(t)), nil, "certificate-authority"},
		{"not known to the system", with(good), func(c *config.TLS, _ *config.Service) { c.NodeCA = "" }, "certificate-authority"},
		{"expired", dated(-2*time.Hour, -time.Hour), nil, "certificate-expired"},
		{"not yet valid", dated(time.Hour, 2*time.Hour), nil, "certificate-not-yet-valid"},
		{"for clients only", with(ca.issue("node", func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}, "mail.example.org")), nil, "certificate-invalid"},
		{"TLS 1.1 only", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, nil, "alert-protocol-version-not-supported"},
		{"another protocol", &tls.Config{Certificates: []tls.Certificate{good}, NextProtos: []string{"imap"}}, nil, "alert-no-application-protocol"},
		{"expired, not verified", dated(-2*time.Hour, -time.Hour), trusting, ""},
		{"self-signed, not verified", with(certificate(t)), trusting, ""},
		{"wrong name, not verified", with(ca.issue("node", nil, "other.example.org")), trusting, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			second := secureNode(t, with(good))
			if row.change != nil && row.failed == "" {
				second = refusing(t)
			}
			w := newWalker(t, ca, row.change, secureNode(t, row.node), second)
			walk, a, _ := w.walk()
			defer release(a)
			got := strings.TrimPrefix(strings.Fields(walk.failed.String() + " .")[0], "node-1:")
			if row.failed == "" {
				got = strings.TrimSuffix(got, ".")
			}
			if got != row.failed {
				t.Fatalf("failed: %q, want %q", walk.failed.String(), row.failed)
			}
			switch {
			case row.failed != "" && !slices.Contains(w.suspects(), "node-1"):
				t.Error("nobody suspects the node")
			case row.failed == "" && (a == nil || a.secure == nil || a.backend.Node.Name != "node-1"):
				t.Errorf("the node did not take it: %v", a)
			}
		})
	}
}

// An authority that is added to the file counts for the next connection; a file that is not good changes nothing.
func TestNodeAuthorityReload(t *testing.T) {
	old, next := newAuthority(t), newAuthority(t)
	w := newWalker(t, old, nil, secureNode(t, &tls.Config{Certificates: []tls.Certificate{next.issue("node", nil, "mail.example.org")}}))
	file := w.topology.TLS.NodeCA
	visit := func(want end) {
		t.Helper()
		s := w.session()
		walk := newWalk(s, w.server.Router.Table())
		a, why := walk.run()
		release(a)
		if why != want {
			t.Errorf("end = %v, want %v (%s)", why, want, walk.failed.String())
		}
	}
	visit(endNoNode)
	os.WriteFile(file, []byte("half"), 0o600)
	for range 3 {
		w.server.look()
	}
	if lines := w.log.lines("node_ca not reloaded, the one in use stays"); len(lines) != 1 {
		t.Errorf("log: %v", lines)
	}
	next.file(filepath.Dir(file))
	w.server.look()
	visit(underway)
	old.file(filepath.Dir(file))
	w.server.look()
	visit(endNoNode) // not even by resuming the last session
}

// What is no TLS at all is a failure like any other, and the next node is tried.
func TestNodeWithoutTLS(t *testing.T) {
	ca := newAuthority(t)
	good := &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}, NextProtos: []string{"http/1.1"}}
	w := newWalker(t, ca, nil, newNode(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), newNode(t, hangsUp), newNode(t, resets), secureNode(t, good))
	walk, a, _ := w.walk()
	defer release(a)
	failed := strings.Fields(walk.failed.String())
	if a == nil || a.backend.Node.Name != "node-4" || len(failed) != 3 || failed[0] != "node-1:no-tls" ||
		failed[1] != "node-2:closed" && failed[1] != "node-2:reset" || failed[2] != "node-3:reset" {
		t.Fatalf("failed: %q", failed)
	}
	if got := a.secure.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("ALPN = %q", got)
	}
}

// A certificate that is not accepted is said loudly, but not for each session.
func TestDistrustIsSaidOnce(t *testing.T) {
	ca := newAuthority(t)
	w := newWalker(t, ca, nil, secureNode(t, &tls.Config{Certificates: []tls.Certificate{certificate(t)}}))
	for range 3 {
		if _, _, why := w.walk(); why != endNoNode {
			t.Errorf("end = %s", why)
		}
	}
	loud := slices.DeleteFunc(w.log.lines("node handshake"), func(l map[string]any) bool { return l["level"] != "WARN" })
	if len(loud) != 1 || loud[0]["node"] != "node-1" || !strings.Contains(loud[0]["why"].(string), "unknown authority") {
		t.Errorf("log: %v", loud)
	}
}

// A node that accepts and is silent gets company while the handshake waits.
func TestHandshakeHedge(t *testing.T) {
	ca := newAuthority(t)
	good := &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}
	w := newWalker(t, ca, func(_ *config.TLS, s *config.Service) { hedge(50 * time.Millisecond)(s) }, newNode(t, mute), secureNode(t, good))
	walk, a, _ := w.walk()
	defer release(a)
	if a == nil || a.backend.Node.Name != "node-2" || !walk.hedged {
		t.Errorf("hedged = %v, %v", walk.hedged, a)
	}
}

// Each node's own session is resumed, though all are verified by one name.
func TestNodeResumption(t *testing.T) {
	ca := newAuthority(t)
	settings := func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}
	}
	first, second := secureNode(t, settings()), secureNode(t, settings())
	w := newWalker(t, ca, func(_ *config.TLS, s *config.Service) { s.Balance = config.RoundRobin }, first, second)
	for _, n := range w.topology.Nodes {
		n.Region = "r0"
	}
	w.server.Router.Publish(w.topology)
	resumed := make(map[string][]bool)
	for range 6 {
		_, a, _ := w.walk()
		if a == nil {
			t.Fatal("no node")
		}
		talk(t, a.secure)
		node := a.backend.Node.Name
		resumed[node] = append(resumed[node], a.secure.ConnectionState().DidResume)
		a.leave()
	}
	for _, node := range []string{"node-1", "node-2"} {
		if !slices.Equal(resumed[node], []bool{false, true, true}) {
			t.Errorf("resumed: %v", resumed)
		}
	}
}

// The PROXY header goes before TLS, in one segment with the hello, and tells of the client's TLS.
func TestProxyHeaderBeforeTLS(t *testing.T) {
	ca := newAuthority(t)
	settings := &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}
	var mu sync.Mutex
	var header *proxyproto.Header
	together := false
	n := newNode(t, func(c *net.TCPConn) {
		r := bufio.NewReaderSize(c, 16<<10)
		h, err := proxyproto.Read(r)
		mu.Lock()
		header, together = h, err == nil && r.Buffered() > 100
		mu.Unlock()
		serveTLS(&buffered{c, r}, settings)
	})
	w := newWalker(t, ca, func(_ *config.TLS, s *config.Service) { s.Proxy = config.ProxyV2 }, n)
	_, a, _ := w.walk()
	defer release(a)
	if a == nil {
		t.Fatal("no node")
	}
	mu.Lock()
	defer mu.Unlock()
	tlvs, err := header.TLVs()
	if err != nil || !together {
		t.Fatalf("header %v, %v, with the hello: %v", header, err, together)
	}
	said := make(map[proxyproto.PP2Type]string)
	for _, tlv := range tlvs {
		said[tlv.Type] = string(tlv.Value)
	}
	if said[proxyproto.PP2_TYPE_AUTHORITY] != "www.example.org" || said[proxyproto.PP2_TYPE_ALPN] != "http/1.1" {
		t.Errorf("TLVs %q", said)
	}
	if ssl := said[proxyproto.PP2_TYPE_SSL]; !strings.Contains(ssl, "TLSv1.3") || !strings.Contains(ssl, "TLS_AES_128_GCM_SHA256") || ssl[0]&1 == 0 {
		t.Errorf("SSL TLV %q", ssl)
	}
}

type buffered struct {
	net.Conn
	r io.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// TLS towards a node of a protocol in which the server speaks first: the greeting inside decides.
func TestGreetingInsideTLS(t *testing.T) {
	ca := newAuthority(t)
	settings := &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}
	greets := func(text string) *node {
		return newNode(t, func(c *net.TCPConn) {
			s := tls.Server(c, settings)
			io.WriteString(s, text)
			io.Copy(io.Discard, s)
			s.Close()
		})
	}
	w := newWalker(t, ca, func(_ *config.TLS, s *config.Service) { s.Protocol = config.IMAP }, greets("nonsense\r\n"), greets("* BYE not now\r\n"), greets(greeting))
	walk, a, _ := w.walk()
	defer release(a)
	if a == nil || string(a.first) != greeting || walk.failed.String() != "node-1:garbage node-2:words" {
		t.Errorf("%q, %v", walk.failed.String(), a)
	}
}

func TestChallengePort(t *testing.T) {
	jmap := &config.Service{Name: "jmap", Protocol: config.HTTP, TLS: config.Terminate, Port: 8080}
	own := &config.Service{Name: "own", Protocol: config.HTTP, TLS: config.Passthrough, Port: 10443}
	imaps := &config.Service{Name: "imaps", Protocol: config.IMAP, TLS: config.Passthrough, Port: 993}
	again := &config.Service{Name: "again", Protocol: config.HTTP, TLS: config.Reencrypt, Port: 443}
	topology := &config.Topology{Services: []*config.Service{imaps, jmap, own, again}}
	for _, row := range []struct {
		runs    string
		ports   map[string]uint16
		service *config.Service
		want    uint16
	}{
		{"jmap imaps", nil, jmap, 443},
		{"jmap imaps", map[string]uint16{"jmap": 8081}, jmap, 443},
		{"jmap own", nil, jmap, 10443},
		{"jmap own", map[string]uint16{"own": 11443}, jmap, 11443},
		{"again own", map[string]uint16{"again": 9443}, again, 9443},
	} {
		n := &config.Node{Services: strings.Fields(row.runs), Ports: row.ports}
		if got := challengePort(topology, n, row.service); got != row.want {
			t.Errorf("%s on a node with %s %v: %d, want %d", row.service.Name, row.runs, row.ports, got, row.want)
		}
	}
}
