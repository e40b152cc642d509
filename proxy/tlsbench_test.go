package proxy

import (
	"crypto/tls"
	"io"
	"testing"
)

// BenchmarkHandshake is connect, handshake, one line each way and the end, both sides together. Compare with OpenSSL at X25519: the
// post-quantum key share that Go clients offer by default costs some 80 µs more.
func BenchmarkHandshake(b *testing.B) {
	for _, row := range []struct {
		name    string
		curve   tls.CurveID
		version uint16
		resume  bool
	}{
		{"full/1.3/X25519", tls.X25519, tls.VersionTLS13, false},
		{"full/1.3/X25519MLKEM768", tls.X25519MLKEM768, tls.VersionTLS13, false},
		{"full/1.2/X25519", tls.X25519, tls.VersionTLS12, false},
		{"resumed/1.3/X25519", tls.X25519, tls.VersionTLS13, true},
		{"resumed/1.2/X25519", tls.X25519, tls.VersionTLS12, true},
	} {
		b.Run(row.name, func(b *testing.B) {
			g := newGate(b, nil, []string{"a.example"})
			settings := &tls.Config{ServerName: "a.example", RootCAs: g.ca.pool, MaxVersion: row.version, CurvePreferences: []tls.CurveID{row.curve}}
			if row.resume {
				settings.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				benchmarkVisit(b, g, settings, false)
			}
			b.ReportAllocs()
			for b.Loop() {
				benchmarkVisit(b, g, settings, row.resume)
			}
		})
	}
}

func benchmarkVisit(b *testing.B, g *gate, settings *tls.Config, resumed bool) {
	raw := g.dial()
	c := tls.Client(raw, settings)
	if talk(b, c).DidResume != resumed {
		b.Fatal("resumed, or not")
	}
	c.CloseWrite()
	io.Copy(io.Discard, c)
	raw.Close()
}
