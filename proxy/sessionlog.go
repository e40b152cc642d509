package proxy

import (
	"context"
	"log/slog"
	"time"
)

// log writes the one line of a session, at its end, and counts the end. What does not apply is left out; times are
// milliseconds. A peer's probe is no session of a client: it is logged at debug.
//
//	id        the session's id, also the unique-id of the PROXY header that the node got
//	parent    the id that the peer's PROXY header gave
//	client    who it is; peer: who connected for it, with PROXY
//	node, address, region   who took it
//	up, down  bytes from the client, bytes from the node
//	header_ms, hello_ms     waiting for the client's PROXY header, its TLS hello
//	walk_ms   from there until a node had greeted, of it for this node: connect_ms, greeting_ms
//	total_ms  from accept to the end
//	tries     nodes that were tried; hedged: two at a time; failed: which did not take it, and why
//	sni, tls  the name asked for, the highest TLS version offered, or "starttls" where TLS began later
//	alpn, cipher, resumed   of TLS that ended here, where tls is the version that was agreed on
//	end       why it ended (see end)
func (s *session) log(why end, up, down int64) {
	m := s.service.metrics
	m.ended(why)
	m.up.Add(float64(up))
	m.down.Add(float64(down))
	level := slog.LevelInfo
	if s.probe {
		level = slog.LevelDebug
	}
	if !s.server.Log.Enabled(context.Background(), level) {
		return
	}
	line := make(attrs, 0, 25)
	line.text("id", s.id.String())
	line.text("parent", s.parent)
	line.text("service", s.service.Name)
	line.text("client", s.source.String())
	if s.peer.IsValid() && s.peer != s.source {
		line.text("peer", s.peer.String())
	}
	if b := s.backend; b != nil {
		line.text("node", b.Node.Name)
		line.text("address", s.address.String())
		line.text("region", b.Node.Region)
		line = append(line, slog.Int64("up", up), slog.Int64("down", down))
	}
	line.ms("header_ms", s.heard.header)
	line.ms("hello_ms", s.heard.hello)
	line.ms("walk_ms", s.took.walk.duration())
	line.ms("connect_ms", s.took.connect.duration())
	line.ms("greeting_ms", s.took.greeting.duration())
	line.ms("total_ms", s.age())
	if s.attempts > 0 {
		line = append(line, slog.Int("tries", int(s.attempts)))
	}
	if s.hedged {
		line = append(line, slog.Bool("hedged", true))
	}
	line.text("failed", s.failed)
	line.tls(s)
	line.text("end", why.String())
	s.server.Log.LogAttrs(context.Background(), level, "session", line...)
}

type attrs []slog.Attr

func (a *attrs) text(key, value string) {
	if value != "" {
		*a = append(*a, slog.String(key, value))
	}
}

// ms appends a time to the microsecond.
func (a *attrs) ms(key string, d time.Duration) {
	if d > 0 {
		*a = append(*a, slog.Float64(key, float64(d.Microseconds())/1000))
	}
}

func (a *attrs) tls(s *session) {
	a.text("sni", s.serverName)
	a.text("tls", s.tlsVersion)
	if s.later {
		a.text("tls", "starttls")
	}
	a.text("alpn", s.alpn)
	if s.clientTLS != nil {
		a.text("cipher", s.clientTLS.Cipher)
	}
	if s.resumed {
		*a = append(*a, slog.Bool("resumed", true))
	}
}
