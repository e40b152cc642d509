package proxy

import (
	"context"
	"encoding"
	"log/slog"
	"sync"
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
func (s *session) log(why end, up, down int64) { s.logAt(time.Now(), why, up, down) }

// logAt is log for a session that ended a while ago: the time of its line is that of its end.
func (s *session) logAt(at time.Time, why end, up, down int64) {
	m := s.service.metrics
	m.ended(why)
	m.up.Add(float64(up))
	m.down.Add(float64(down))
	level := s.logLevel()
	if !s.server.Log.Enabled(context.Background(), level) {
		return
	}
	line := newAttrs()
	line.of("id", &s.id)
	line.text("parent", s.parent)
	line.text("service", s.service.Name)
	line.of("client", &s.source)
	if s.peer.IsValid() && s.peer != s.source {
		line.of("peer", &s.peer)
	}
	if b := s.backend; b != nil {
		line.text("node", b.Node.Name)
		line.of("address", s.address)
		line.text("region", b.Node.Region)
		line.add(slog.Int64("up", up), slog.Int64("down", down))
	}
	line.ms("header_ms", s.heard.header)
	line.ms("hello_ms", s.heard.hello)
	line.ms("walk_ms", s.took.walk.duration())
	line.ms("connect_ms", s.took.connect.duration())
	line.ms("greeting_ms", s.took.greeting.duration())
	line.ms("total_ms", s.age(at))
	if s.attempts > 0 {
		line.add(slog.Int("tries", int(s.attempts)))
	}
	if s.hedged {
		line.add(slog.Bool("hedged", true))
	}
	line.text("failed", s.failed)
	line.tls(s)
	line.text("end", why.String())
	line.log(s.server.Log, at, level, "session")
}

// logLevel is that of the line at the end.
func (s *session) logLevel() slog.Level {
	if s.probe {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// attrs are what a line of the log says.
type attrs []slog.Attr

// spareAttrs are used again: to make a session's, and a record that holds them, and what they say as strings, took as long as to print it.
var spareAttrs = sync.Pool{New: func() any {
	a := make(attrs, 0, 25)
	return &a
}}

func newAttrs() *attrs { return spareAttrs.Get().(*attrs) }

// log writes the line, whose level is enabled, and takes the attributes back. They are in a group without a name, which counts as if they
// stood in the record: so the record has room for them. It does not say where in the program it was made.
func (a *attrs) log(l *slog.Logger, now time.Time, level slog.Level, message string) {
	r := slog.NewRecord(now, level, message, 0)
	r.AddAttrs(slog.Attr{Value: slog.GroupValue(*a...)})
	l.Handler().Handle(context.Background(), r)
	clear(*a)
	*a = (*a)[:0]
	spareAttrs.Put(a)
}

func (a *attrs) add(more ...slog.Attr) { *a = append(*a, more...) }

func (a *attrs) text(key, value string) {
	if value != "" {
		a.add(slog.String(key, value))
	}
}

// of appends what has a text, by its address: to make a string of it is left to who prints it.
func (a *attrs) of(key string, value encoding.TextAppender) { a.add(slog.Any(key, value)) }

// ms appends a time to the microsecond.
func (a *attrs) ms(key string, d time.Duration) {
	if d > 0 {
		a.add(slog.Float64(key, float64(d.Microseconds())/1000))
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
		a.add(slog.Bool("resumed", true))
	}
}
