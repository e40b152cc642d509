package healthcheck

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// TestVerificationsRemembered: what was found good is remembered for just that chain, name and authority, and not for ever.
func TestVerificationsRemembered(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	issued, err := ca.Issue("node.example.org")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(issued.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	shown, pool := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf, ca.Cert}}, ca.Pool()
	var v verifications
	for _, c := range []struct {
		does string
		pool *x509.CertPool
		name string
		good bool
		kept int
	}{
		{"wrong name", pool, "x.example.org", false, 0},
		{"right", pool, "node.example.org", true, 1},
		{"again", pool, "node.example.org", true, 1},
		{"wrong name, of a chain that is known", pool, "x.example.org", false, 1},
		{"another authority", other.Pool(), "node.example.org", false, 1},
		{"the same authority, read again", ca.Pool(), "node.example.org", true, 2},
	} {
		if err := v.check(shown, c.pool, c.name); (err == nil) != c.good || len(v.good) != c.kept {
			t.Errorf("%s: %v, %d remembered, want good %v and %d", c.does, err, len(v.good), c.good, c.kept)
		}
	}
	if v.check(tls.ConnectionState{}, pool, "node.example.org") == nil {
		t.Error("good without a certificate")
	}
	now := time.Now()
	if got := end([]*x509.Certificate{leaf, ca.Cert}, now); !got.Equal(now.Add(verifiedFor)) {
		t.Errorf("a chain of %v counts until %v, want an hour", leaf.NotAfter, got)
	}
	soon := &x509.Certificate{NotAfter: now.Add(time.Minute)}
	if got := end([]*x509.Certificate{leaf, soon}, now); !got.Equal(soon.NotAfter) {
		t.Errorf("a chain that ends %v counts until %v", soon.NotAfter, got)
	}
	for key := range v.good { // as after an hour
		v.good[key] = now.Add(-time.Second)
	}
	if err := v.check(shown, pool, "node.example.org"); err != nil || !v.good[chainOf(shown, pool, "node.example.org")].After(now) {
		t.Errorf("not verified anew: %v", err)
	}
}
