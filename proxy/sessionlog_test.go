package proxy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
	"posthouse/routing"
	"posthouse/wire"
)

// endedSession is one that a node has had, as the clerk gets it.
func endedSession(log slog.Handler) *session {
	address := netip.MustParseAddrPort("10.1.2.3:10993")
	return &session{
		server:   &Server{Log: slog.New(log)},
		service:  &service{Service: &config.Service{Name: "imaps"}, metrics: NewMetrics(prometheus.NewRegistry()).of("imaps")},
		approach: direct, id: sessionID([]byte("06h1bk8j15ajqr00000g")), source: netip.MustParseAddrPort("203.0.113.77:51234"),
		backend: &routing.Backend{Node: &config.Node{Name: "eu-imap-007", Region: "eu"}}, address: &address, attempts: 1,
		took: steps{connect: 57, greeting: 243, walk: 371},
	}
}

// withoutTime is the time left out.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// TestSessionLine: what a line looks like is read by programs.
func TestSessionLine(t *testing.T) {
	all := &approach{
		peer: netip.MustParseAddrPort("198.51.100.1:40000"), parent: "06h1bk8j15ajqr0000a0", serverName: "mail.example.org", alpn: "imap",
		tlsVersion: "1.3", clientTLS: &wire.ProxyTLS{Cipher: "TLS_AES_128_GCM_SHA256"}, resumed: true, failed: "eu-imap-001:refused, eu-imap-002:silent",
	}
	all.heard.header, all.heard.hello = 20*time.Microsecond, 1200*time.Microsecond
	for _, row := range []struct {
		change func(*session)
		want   string
	}{
		{func(*session) {}, `level=INFO msg=session id=06h1bk8j15ajqr00000g service=imaps client=203.0.113.77:51234 node=eu-imap-007 ` +
			`address=10.1.2.3:10993 region=eu up=64 down=65 walk_ms=0.371 connect_ms=0.057 greeting_ms=0.243 total_ms=1.5 tries=1 end=client`},
		{func(s *session) { s.approach, s.hedged, s.later = all, true, true }, `level=INFO msg=session id=06h1bk8j15ajqr00000g ` +
			`parent=06h1bk8j15ajqr0000a0 service=imaps client=203.0.113.77:51234 peer=198.51.100.1:40000 node=eu-imap-007 address=10.1.2.3:10993 ` +
			`region=eu up=64 down=65 header_ms=0.02 hello_ms=1.2 walk_ms=0.371 connect_ms=0.057 greeting_ms=0.243 total_ms=1.5 tries=1 hedged=true ` +
			`failed="eu-imap-001:refused, eu-imap-002:silent" sni=mail.example.org tls=1.3 tls=starttls alpn=imap cipher=TLS_AES_128_GCM_SHA256 ` +
			`resumed=true end=client`},
		{func(s *session) { s.backend, s.address, s.attempts, s.took = nil, nil, 0, steps{} },
			`level=INFO msg=session id=06h1bk8j15ajqr00000g service=imaps client=203.0.113.77:51234 total_ms=1.5 end=client`},
	} {
		var out bytes.Buffer
		s := endedSession(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
		row.change(s)
		s.logAt(base.Add(1500*time.Microsecond), endClient, 64, 65)
		if out.String() != row.want+"\n" {
			t.Errorf("the line is\n%s, want\n%s", &out, row.want)
		}
	}
}

// taker is a handler that looks at all attributes and prints none.
type taker struct{ attrs int }

func (*taker) Enabled(context.Context, slog.Level) bool { return true }
func (h *taker) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *taker) WithGroup(string) slog.Handler          { return h }

func (h *taker) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		h.attrs += len(a.Value.Group())
		return true
	})
	return nil
}

func TestSessionLineAllocatesNothing(t *testing.T) {
	if racy {
		t.Skip("the race detector makes pools forget")
	}
	h := new(taker)
	s := endedSession(h)
	if n := testing.AllocsPerRun(100, func() { s.log(endClient, 64, 64) }); n > 0 {
		t.Errorf("%v allocations for a line", n)
	}
	if h.attrs == 0 {
		t.Error("there was no line")
	}
}

// BenchmarkSessionLine is a session's line as slog prints it, and without its printing.
func BenchmarkSessionLine(b *testing.B) {
	for name, log := range map[string]slog.Handler{
		"none": new(taker), "text": slog.NewTextHandler(io.Discard, nil), "json": slog.NewJSONHandler(io.Discard, nil),
	} {
		b.Run(name, func(b *testing.B) {
			s := endedSession(log)
			b.ReportAllocs()
			for b.Loop() {
				s.log(endClient, 64, 64)
			}
		})
	}
}
