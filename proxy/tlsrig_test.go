package proxy

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"posthouse/config"
)

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

func logTo(b *logBuffer) *slog.Logger { return slog.New(slog.NewJSONHandler(b, nil)) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for names, whose common name tells it from others. change may be nil.
func (a *authority) issue(commonName string, change func(*x509.Certificate), names ...string) tls.Certificate {
	a.t.Helper()
	return a.sign(newKey(a.t), commonName, change, names...)
}

func (a *authority) sign(key crypto.Signer, commonName string, change func(*x509.Certificate), names ...string) tls.Certificate {
	a.t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// file writes the authority's certificate.
func (a *authority) file(dir string) string {
	return writePEM(a.t, filepath.Join(dir, "ca.crt"), "CERTIFICATE", a.cert.Raw)
}

// writePair writes a certificate and its key as files.
func writePair(t testing.TB, dir, name string, c tls.Certificate) config.Certificate {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return config.Certificate{
		Cert: writePEM(t, filepath.Join(dir, name+".crt"), "CERTIFICATE", c.Certificate[0]),
		Key:  writePEM(t, filepath.Join(dir, name+".key"), "PRIVATE KEY", key),
	}
}

// writePEM replaces a file by rename, as renewing programs do.
func writePEM(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	var text bytes.Buffer
	pem.Encode(&text, &pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path+".new", text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// gate is a server that takes clients as far as the end of their TLS, echoes what they say and ends when they do.
type gate struct {
	*rig
	ca       *authority
	dir      string
	listener *net.TCPListener

	mu    sync.Mutex // guards the following
	front *front
	ends  []end
}

// newGate has a certificate for each list of names; the common name is the first of them.
func newGate(t testing.TB, change func(*config.Service), names ...[]string) *gate {
	t.Helper()
	g := &gate{ca: newAuthority(t), dir: t.TempDir()}
	topology := newTopology(func(s *config.Service) {
		s.Name, s.Protocol, s.TLS, s.Listen = "jmap", config.HTTP, config.Reencrypt, nil
		if change != nil {
			change(s)
		}
	})
	for _, n := range names {
		pair := writePair(t, g.dir, n[0], g.ca.issue(n[0], nil, n...))
		topology.TLS.Certificates = append(topology.TLS.Certificates, pair)
	}
	g.rig = &rig{t: t, log: new(logBuffer), topology: topology, service: topology.Services[0]}
	g.rig.start()
	g.commit()
	var err error
	if g.listener, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.accept()
	}()
	t.Cleanup(func() {
		g.listener.Close()
		<-done
	})
	return g
}

// addNodes makes nodes that are tried in order.
func (g *gate) addNodes(nodes ...*node) {
	made := newTopology(nil, nodes...)
	for _, n := range made.Nodes {
		n.Services, n.Ports = []string{"jmap"}, map[string]uint16{"jmap": n.Ports["imap"]}
	}
	g.topology.Regions, g.topology.Nodes = made.Regions, made.Nodes
	g.server.Router.Publish(g.topology)
	g.commit()
}

// commit puts the rig's topology into effect, as a reload does.
func (g *gate) commit() {
	g.t.Helper()
	change, err := g.server.Prepare(g.topology)
	if err != nil {
		g.t.Fatal(err)
	}
	change.Commit()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.front = change.front(config.Listener{Services: g.topology.Services})
}

func (g *gate) accept() {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	for {
		c, err := g.listener.AcceptTCP()
		if err != nil {
			return
		}
		g.mu.Lock()
		s := newSession(g.server, c, g.front)
		g.mu.Unlock()
		g.server.running.Add(1)
		g.server.live.add(s)
		sessions.Go(func() { g.serve(s) })
	}
}

func (g *gate) serve(s *session) {
	why := s.meet()
	g.mu.Lock()
	g.ends = append(g.ends, why)
	g.mu.Unlock()
	switch {
	case why == underway && s.challenge:
		s.count()
		if why = s.walk(); why != underway {
			s.turnAway(why)
		}
	case why != underway:
		s.turnAway(why)
	default:
		s.count()
		io.Copy(s.secure, s.secure)
		partSecure(s.secure, s.client, nil)
		s.log(endClient, 0, 0)
		s.finish()
	}
}

// result waits for what became of the meeting number n, from 1.
func (g *gate) result(n int) end {
	g.t.Helper()
	var why end
	eventually(g.t, "the meeting is over", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.ends) < n {
			return false
		}
		why = g.ends[n-1]
		return true
	})
	return why
}

// dial is a plain connection.
func (g *gate) dial() *peer {
	g.t.Helper()
	c, err := net.DialTCP("tcp4", nil, g.listener.Addr().(*net.TCPAddr))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return newPeer(g.t, c)
}

// client is a TLS client that trusts the authority, unless it asks for no name.
func (g *gate) client(c *tls.Config) *tls.Conn {
	g.t.Helper()
	c = c.Clone()
	c.RootCAs = g.ca.pool
	if c.ServerName == "" {
		c.InsecureSkipVerify = true
	}
	return tls.Client(g.dial(), c)
}

// talk sees that bytes go both ways and returns what TLS came to.
func talk(t testing.TB, c *tls.Conn) tls.ConnectionState {
	t.Helper()
	io.WriteString(c, "ping")
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
		t.Fatalf("heard %q, %v", got, err)
	}
	return c.ConnectionState()
}

// leave ends a client's TLS in the right order, and wants the server's close_notify.
func leave(t testing.TB, c *tls.Conn) {
	t.Helper()
	c.CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	c.Close()
}
