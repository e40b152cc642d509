package main

import (
	"context"
	"time"

	"posthouse/admin"
	"posthouse/proxy"
	"posthouse/routing"
)

// newAdmin joins the admin API to the parts that it asks and changes.
func (b *balancer) newAdmin() *admin.Server {
	s := &admin.Server{
		Router: b.router, Metrics: b.registry, Log: b.log, Events: b.events, Version: version(),
		List: b.list, Kill: b.kill, Deny: b.deny, Drain: b.drain, Explain: b.explain, Waiting: b.names.Waiting,
		Sends: b.names.Sends,
	}
	s.Drainage = admin.NewMetrics(b.registry, s)
	return s
}

func (b *balancer) list(f admin.Filter, after string, limit int) ([]admin.Session, int) {
	page, all := b.server.List(proxy.Filter(f), after, limit)
	rows := make([]admin.Session, len(page))
	for i, s := range page {
		rows[i] = admin.Session(s)
	}
	return rows, all
}

func (b *balancer) kill(f admin.Filter) int { return b.server.Kill(proxy.Filter(f)) }

func (b *balancer) deny(all []admin.Denial) {
	denials := make([]proxy.Denial, len(all))
	for i, d := range all {
		denials[i] = proxy.Denial{Prefix: d.Prefix, Until: d.Until}
	}
	b.server.Deny(denials)
}

func (b *balancer) drain(ctx context.Context, s routing.Subject, within time.Duration, tell func(admin.Drained)) admin.Drained {
	return admin.Drained(b.server.Drain(ctx, s, within, func(d proxy.Drained) { tell(admin.Drained(d)) }))
}
