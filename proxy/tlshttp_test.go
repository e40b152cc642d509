package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"posthouse/config"
)

// secureHandler is a node of net/http with TLS.
func secureHandler(t testing.TB, settings *tls.Config, h http.HandlerFunc) *node {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = settings
	s.StartTLS()
	t.Cleanup(s.Close)
	return &node{port: uint16(s.Listener.Addr().(*net.TCPAddr).Port)}
}

// newSecureRig is a whole server for https, whose nodes have TLS where mode says so.
func newSecureRig(t testing.TB, ca *authority, mode config.TLSMode, change func(*config.Service), nodes ...*node) *rig {
	t.Helper()
	topology := newTopology(func(s *config.Service) {
		httpService(s)
		s.TLS = mode
		if change != nil {
			change(s)
		}
	}, nodes...)
	dir := t.TempDir()
	topology.TLS = config.TLS{
		Certificates: []config.Certificate{writePair(t, dir, "front", ca.issue("front", nil, "mail.example.org"))},
		NodeCA:       ca.file(dir), NodeName: "mail.example.org", NodeVerify: true,
	}
	r := &rig{t: t, log: new(logBuffer), topology: topology, service: topology.Services[0]}
	r.start()
	return r
}

// secureBrowser is a browser that finds every host at the rig.
func (r *rig) secureBrowser(ca *authority) *http.Client {
	b := browser(r.t)
	transport := b.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: ca.pool, ServerName: "mail.example.org", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	return b
}

func fetch(t testing.TB, b *http.Client, url string) (*http.Response, string) {
	t.Helper()
	res, err := b.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestHTTPS(t *testing.T) {
	tell := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+strings.Repeat("x", 100_000))
	}
	for _, mode := range []config.TLSMode{config.Terminate, config.Reencrypt} {
		ca := newAuthority(t)
		working := handler(t, tell)
		if mode == config.Reencrypt {
			working = secureHandler(t, &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}, tell)
		}
		r := newSecureRig(t, ca, mode, nil, refusing(t), working)
		b := r.secureBrowser(ca)
		url := "https" + strings.TrimPrefix(r.url("/x"), "http")
		for range 3 {
			if res, body := fetch(t, b, url); res.StatusCode != 200 || len(body) != len("https ")+100_000 || body[:6] != "https " {
				t.Errorf("%s: %s, %d bytes", mode, res.Status, len(body))
			}
		}
		b.CloseIdleConnections()
		if line := r.expectEnd("client"); line["requests"] != 3.0 || line["sni"] != "mail.example.org" || line["tls"] != "1.3" || line["alpn"] != nil && line["alpn"] != "http/1.1" {
			t.Errorf("%s: session log: %v", mode, line)
		}
		fetch(t, b, url)
		b.CloseIdleConnections()
		if line := r.ended(2); line["resumed"] != true {
			t.Errorf("%s: session log: %v", mode, line)
		}
	}
}

// No node is good: the client gets our answer inside TLS.
func TestHTTPSWithoutNode(t *testing.T) {
	ca := newAuthority(t)
	r := newSecureRig(t, ca, config.Reencrypt, nil, secureHandler(t, &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, nil))
	res, _ := fetch(t, r.secureBrowser(ca), "https"+strings.TrimPrefix(r.url("/"), "http"))
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	eventually(t, "the log says why", func() bool {
		lines := r.log.lines("request")
		return len(lines) == 1 && lines[0]["failed"] == "node-1:certificate-authority"
	})
}

// The challenge of a certificate authority finds its way through the whole server.
func TestHTTPSChallenge(t *testing.T) {
	ca := newAuthority(t)
	r := newSecureRig(t, ca, config.Reencrypt, nil, challenged(t, ca))
	c := tls.Client(r.connect(), &tls.Config{ServerName: "new.example.org", NextProtos: []string{challengeProtocol}, InsecureSkipVerify: true})
	if got := talk(t, c).PeerCertificates[0].Subject.CommonName; got != "the answer" {
		t.Error(got)
	}
	c.Close()
	r.ended(1)
}
