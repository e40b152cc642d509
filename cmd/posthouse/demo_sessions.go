package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"sync"
)

// guestLog prints the sessions of whoever tries the demo as they end, from the balancers' log lines; the built-in
// clients have lines of their own. Everything goes on to the log file.
type guestLog struct {
	slog.Handler
	events *demoEvents
	own    *ownClients
	region string // of the balancer that logs
}

func (g *guestLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "session" {
		g.session(r)
	}
	return g.Handler.Handle(ctx, r)
}

func (g *guestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *g
	next.Handler = g.Handler.WithAttrs(attrs)
	return &next
}

func (g *guestLog) WithGroup(name string) slog.Handler {
	next := *g
	next.Handler = g.Handler.WithGroup(name)
	return &next
}

func (g *guestLog) session(r slog.Record) {
	said := make(map[string]string)
	var hear func(slog.Attr) bool
	hear = func(a slog.Attr) bool {
		if a.Key != "" || a.Value.Kind() != slog.KindGroup {
			said[a.Key] = a.Value.String()
			return true
		}
		for _, inner := range a.Value.Group() { // which has no name, so it counts as if it stood outside
			hear(inner)
		}
		return true
	}
	r.Attrs(hear)
	if g.own.ended(said["client"]) {
		return
	}
	g.events.say(g.region, "your %s session: %s, %s bytes, end: %s", cmp.Or(said["service"], "https"),
		whom(said), cmp.Or(said["down"], "no"), said["end"])
}

// whom is the node of a session; with HTTP that of the last request, and how many requests there were.
func whom(said map[string]string) string {
	node := cmp.Or(said["node"], "nobody")
	switch requests := said["requests"]; requests {
	case "":
		return node
	case "1":
		return node + ", 1 request"
	default:
		return node + ", " + requests + " requests"
	}
}

// ownClients are the addresses of the built-in clients, from their connect until a balancer has logged their end.
type ownClients struct {
	mu      sync.Mutex // guards the following
	clients map[string]bool
}

func (o *ownClients) connected(c net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.clients == nil {
		o.clients = make(map[string]bool)
	}
	o.clients[c.LocalAddr().String()] = true
}

// ended forgets a client and says whether it was one of ours.
func (o *ownClients) ended(client string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	ours := o.clients[client]
	delete(o.clients, client)
	return ours
}
