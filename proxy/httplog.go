package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// log writes a line for a request: at debug, or at info where the client got an error of ours that a node did not send. The query is
// left out: it may hold secrets.
//
//	id        the session's
//	request   method and path
//	status    that the client got; 0: none
//	ms        from the head of the request to the end of the response
//	tries     connections that were asked; failed: those that did not answer, and why
//	why       what was wrong
func (x *exchange) log(why end) {
	level := slog.LevelDebug
	if x.said != underway && x.status >= http.StatusInternalServerError {
		level = slog.LevelInfo
	}
	if level == slog.LevelDebug && !x.c.debug || !x.c.server.Log.Enabled(context.Background(), level) {
		return
	}
	now, line := time.Now(), newAttrs()
	line.of("id", &x.c.session.id)
	line.text("request", string(x.name))
	if x.service != nil {
		line.text("service", x.service.Name)
	}
	line.text("node", x.nodeName)
	line.add(slog.Int("status", x.status))
	line.ms("ms", now.Sub(x.began))
	if x.tries > 1 {
		line.add(slog.Int("tries", x.tries))
	}
	line.text("failed", x.failed)
	line.text("why", x.why)
	line.text("end", why.String())
	x.c.server.clerk.gather(x.c.server)
	line.log(x.c.server.Log, now, level, "request")
}

// logEnd writes the one line of a client's connection, at its end. Beside what every session says (see session.log):
//
//	service, node, region   of the last request
//	requests  how many there were
//	up, down  bytes from the client, bytes from nodes
func (c *conversation) logEnd(why end) {
	s := c.session
	now, level := time.Now(), s.logLevel()
	if c.served != nil {
		up, down := c.up.Load(), c.down.Load()
		c.served.metrics.up.Add(float64(up))
		c.served.metrics.down.Add(float64(down))
	}
	if !c.server.Log.Enabled(context.Background(), level) {
		return
	}
	line := newAttrs()
	line.of("id", &s.id)
	line.text("parent", s.parent)
	if c.served != nil {
		line.text("service", c.served.Name)
	}
	line.of("client", &s.source)
	if s.peer != s.source {
		line.of("peer", &s.peer)
	}
	if b := c.asked; b != nil {
		line.text("node", b.Node.Name)
		line.text("region", b.Node.Region)
	}
	line.add(slog.Int("requests", c.requests), slog.Int64("up", c.up.Load()), slog.Int64("down", c.down.Load()))
	line.ms("header_ms", s.heard.header)
	line.ms("hello_ms", s.heard.hello)
	line.ms("total_ms", s.age(now))
	line.tls(s)
	line.text("end", why.String())
	c.server.clerk.gather(c.server)
	line.log(c.server.Log, now, level, "session")
}
