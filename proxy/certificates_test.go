package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"posthouse/config"
	"posthouse/routing"
)

// look does what happens every few seconds.
func (g *gate) look() bool { return g.server.keyring.Load().look(g.server.Log) }

// renew writes a new certificate over the first one.
func (g *gate) renew(commonName string, names ...string) {
	g.t.Helper()
	first := g.topology.TLS.Certificates[0]
	writePair(g.t, g.dir, strings.TrimSuffix(filepath.Base(first.Cert), ".crt"), g.ca.issue(commonName, nil, names...))
}

func shown(t testing.TB, c *tls.Conn) string {
	t.Helper()
	return talk(t, c).PeerCertificates[0].Subject.CommonName
}

func TestCertificateReload(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"}, []string{"b.example"})
	live := g.client(&tls.Config{ServerName: "a.example"})
	talk(t, live)
	if g.look() {
		t.Error("files that nobody touched were read again")
	}
	g.renew("new", "a.example", "more.example")
	if !g.look() || g.look() {
		t.Error("the change was not seen, or seen twice")
	}
	talk(t, live)
	leave(t, live)
	for asked, want := range map[string]string{"a.example": "new", "more.example": "new", "b.example": "b.example"} {
		if got := shown(t, g.client(&tls.Config{ServerName: asked})); got != want {
			t.Errorf("%s: %s, want %s", asked, got, want)
		}
	}
	if lines := g.log.lines("certificate reloaded"); len(lines) != 1 || lines[0]["certificate"] != g.topology.TLS.Certificates[0].Cert {
		t.Errorf("log: %v", lines)
	}
}

// Kubernetes and certbot change where a symbolic link leads; neither the link's folder entry nor the old file is touched.
func TestCertificateReloadThroughLink(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	for _, name := range []string{"1", "2"} {
		folder := filepath.Join(g.dir, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		writePair(t, folder, "tls", g.ca.issue("version "+name, nil, "a.example"))
	}
	swap := func(to string) {
		os.Symlink(to, filepath.Join(g.dir, "next"))
		if err := os.Rename(filepath.Join(g.dir, "next"), filepath.Join(g.dir, "data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("1")
	g.topology.TLS.Certificates[0] = config.Certificate{Cert: filepath.Join(g.dir, "data/tls.crt"), Key: filepath.Join(g.dir, "data/tls.key")}
	g.commit()
	swap("2")
	g.look()
	if got := shown(t, g.client(&tls.Config{ServerName: "a.example"})); got != "version 2" {
		t.Error(got)
	}
}

// A pair that is not good keeps the old one and is said once; the good one that follows is taken.
func TestBadPairKeepsOld(t *testing.T) {
	for name, spoil := range map[string]func(cert, key string){
		"half-written":          func(cert, _ string) { os.Truncate(cert, 100) },
		"only the certificate":  func(cert, key string) {},
		"gone":                  func(cert, _ string) { os.Remove(cert) },
		"empty key":             func(_, key string) { os.Truncate(key, 0) },
		"larger than any chain": func(cert, _ string) { os.Truncate(cert, 2*maxPEM) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, nil, []string{"a.example"})
			pair := g.topology.TLS.Certificates[0]
			old := writePair(t, t.TempDir(), "old", g.ca.issue("other", nil, "a.example"))
			if name == "only the certificate" {
				if err := os.Rename(old.Cert, pair.Cert); err != nil {
					t.Fatal(err)
				}
			}
			spoil(pair.Cert, pair.Key)
			for range 3 {
				g.look()
			}
			if got := shown(t, g.client(&tls.Config{ServerName: "a.example"})); got != "a.example" {
				t.Errorf("shown: %s", got)
			}
			lines := g.log.lines("certificate not reloaded, the one in use stays")
			if len(lines) != 1 || !strings.Contains(lines[0]["why"].(string), g.dir) {
				t.Errorf("log: %v", lines)
			}
			g.renew("new", "a.example")
			g.look()
			if got := shown(t, g.client(&tls.Config{ServerName: "a.example"})); got != "new" {
				t.Errorf("shown after the repair: %s", got)
			}
		})
	}
}

// A reload of the topology with a bad pair is refused, names the file and changes nothing.
func TestPrepareRefusesBadPairs(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"}, []string{"b.example"})
	pairs := g.topology.TLS.Certificates
	mixed := config.Certificate{Cert: pairs[0].Cert, Key: pairs[1].Key}
	swapped := config.Certificate{Cert: pairs[0].Key, Key: pairs[0].Cert}
	text := filepath.Join(g.dir, "text")
	os.WriteFile(text, []byte("no PEM\n"), 0o600)
	for _, row := range []struct {
		name  string
		tls   config.TLS
		wants []string
	}{
		{"a key that does not match", config.TLS{Certificates: []config.Certificate{mixed}}, []string{mixed.Cert, mixed.Key, "match"}},
		{"key and certificate swapped", config.TLS{Certificates: []config.Certificate{pairs[0], swapped}}, []string{swapped.Cert}},
		{"a file that is not there", config.TLS{Certificates: []config.Certificate{{Cert: "/none.crt", Key: pairs[0].Key}}}, []string{"/none.crt"}},
		{"two mistakes", config.TLS{Certificates: []config.Certificate{{Cert: text, Key: pairs[0].Key}, mixed}}, []string{text, mixed.Key}},
		{"roots without a certificate", config.TLS{NodeCA: text}, []string{text, "node_ca"}},
		{"roots that are not there", config.TLS{NodeCA: "/none.crt"}, []string{"/none.crt", "node_ca"}},
	} {
		topology := *g.topology
		topology.TLS = row.tls
		_, err := g.server.Prepare(&topology)
		for _, want := range row.wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", row.name, err, want)
			}
		}
	}
	if got := shown(t, g.client(&tls.Config{ServerName: "b.example"})); got != "b.example" {
		t.Errorf("after refused reloads: %s", got)
	}
}

// Clients resume their sessions whatever has happened to the certificates and the topology since.
func TestResumptionOutlivesReloads(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		g := newGate(t, nil, []string{"a.example"})
		settings := &tls.Config{ServerName: "a.example", ClientSessionCache: tls.NewLRUClientSessionCache(4), MaxVersion: version}
		visit := func(want bool, when string) {
			t.Helper()
			c := g.client(settings)
			if got := talk(t, c).DidResume; got != want {
				t.Errorf("%s, %s: resumed = %v", tls.VersionName(version), when, got)
			}
			leave(t, c)
		}
		visit(false, "at first")
		visit(true, "again")
		g.renew("new", "a.example")
		g.look()
		visit(true, "after the certificate was renewed")
		g.commit()
		visit(true, "after a reload of the topology")
	}
}

// The files are looked at as long as the server runs, and no longer.
func TestRenewLooksEverySoOften(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	pair := writePair(t, dir, "a", ca.issue("old", nil, "a.example"))
	k, err := newKeyring([]config.Certificate{pair})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Log: logTo(new(logBuffer))}
		s.init()
		defer s.reserve.close()
		s.use(k, new(authorities))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.renew(ctx)
		}()
		writePair(t, dir, "a", ca.issue("new", nil, "a.example"))
		time.Sleep(certificatesEvery + time.Millisecond)
		synctest.Wait()
		if got := k.current.Load().first.Leaf.Subject.CommonName; got != "new" {
			t.Errorf("after one round: %s", got)
		}
		cancel()
		<-done
	})
}

func TestCertificateWarnings(t *testing.T) {
	dir, ca, log := t.TempDir(), newAuthority(t), new(logBuffer)
	k, err := newKeyring([]config.Certificate{
		writePair(t, dir, "first", ca.issue("first", nil)), // answers clients without a name
		writePair(t, dir, "nameless", ca.issue("nameless", nil)),
		writePair(t, dir, "old", ca.issue("old", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "a.example")),
	})
	if err != nil {
		t.Fatal(err)
	}
	k.warn(logTo(log), time.Now())
	k.look(logTo(log)) // says nothing twice
	if strings.Count(log.String(), "\n") != 4 || len(log.lines("certificate expires soon")) != 2 || len(log.lines("certificate has expired")) != 1 || len(log.lines("certificate has no DNS name, so no client gets it")) != 1 {
		t.Error(log.String())
	}
}

func TestAgeOfACertificate(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, row := range []struct {
		left time.Duration
		want age
	}{
		{90 * 24 * time.Hour, fresh}, {14 * 24 * time.Hour, fresh}, {14*24*time.Hour - 1, expiring}, {0, expiring}, {-1, expired},
	} {
		if got := ageOf(now.Add(row.left), now); got != row.want {
			t.Errorf("with %v left: %d, want %d", row.left, got, row.want)
		}
	}
}

func BenchmarkChooseCertificate(b *testing.B) {
	ca := newAuthority(b)
	dir := b.TempDir()
	pair, err := loadPair(writePair(b, dir, "a", ca.issue("a", nil, "*.a.example")))
	if err != nil {
		b.Fatal(err)
	}
	c := newCertificates([]*tls.Certificate{pair})
	info := &tls.ClientHelloInfo{ServerName: "mail.a.example"}
	for b.Loop() {
		if c.choose(info, false) == nil {
			b.Fatal("none")
		}
	}
}

// A reload that comes while renewed files are read has the last word on which certificates there are.
func TestReloadDuringRenewal(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	topology := newTopology(func(s *config.Service) { s.Protocol, s.TLS, s.Listen = config.HTTP, config.Reencrypt, nil })
	pair := func(name string) config.Certificate { return writePair(t, dir, name, ca.issue(name, nil, "a.example")) }
	old, next := pair("old"), pair("next")
	server := &Server{Router: routing.NewRouter(topology, slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler)}
	reload := func(c config.Certificate) {
		topology.TLS.Certificates = []config.Certificate{c}
		change, err := server.Prepare(topology)
		if err != nil {
			t.Fatal(err)
		}
		change.Commit()
	}
	server.Events = slog.New(heeding{slog.DiscardHandler, "certificate reloaded", func() { reload(next) }})
	reload(old)
	defer server.reserve.close()
	pair("old")
	server.look()
	expiry := server.Metrics.expiry
	if n, when := testutil.CollectAndCount(expiry), testutil.ToFloat64(expiry.WithLabelValues(next.Cert)); n != 1 || when == 0 {
		t.Errorf("%d certificates expire, the one that is in use at %v", n, when)
	}
}

// heeding is a log that does something when it hears a message.
type heeding struct {
	slog.Handler
	message string
	do      func()
}

func (h heeding) Enabled(context.Context, slog.Level) bool { return true }

func (h heeding) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.do()
	}
	return nil
}
