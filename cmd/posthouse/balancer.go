package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"posthouse/admin"
	"posthouse/config"
	"posthouse/healthcheck"
	"posthouse/proxy"
	"posthouse/routing"
)

// balancer is the parts of the program and how they are joined, as serve and demo run them:
//
//	topology -> router -> table -> server (sessions) and admin
//	         -> checker -Report-> router,  server -Failed-> checker
//	         -> names, which answers DNS by the table
type balancer struct {
	log      *slog.Logger // its events are kept in events
	events   *admin.Events
	registry *prometheus.Registry
	metrics  *reloadMetrics
	router   *routing.Router
	checker  *healthcheck.Checker
	server   *proxy.Server
	admin    *admin.Server
	notify   *notifier
	names    *nameServer
	begun    func() // called when the first topology is in effect; nil: nobody is

	mu sync.Mutex // one Apply at a time
}

// newBalancer opens and starts nothing.
func newBalancer(t *config.Topology, plain *slog.Logger) *balancer {
	b := &balancer{registry: newRegistry(), events: admin.NewEvents(), notify: new(notifier)}
	b.log = b.events.Logger(plain)
	log := b.log
	b.metrics = newReloadMetrics(b.registry)
	b.router = routing.NewRouter(t, log)
	b.router.Metrics = routing.NewMetrics(b.registry)
	b.checker = healthcheck.New(t, log)
	b.checker.Metrics = healthcheck.NewMetrics(b.registry)
	b.checker.Version = version()
	b.checker.Resolved = b.router.SetAddresses
	b.names = newNameServer(log, b.registry, b.router)
	b.checker.Report = b.names.Report
	b.server = &proxy.Server{Router: b.router, Log: plain, Events: log, Failed: b.checker.Suspect, Metrics: proxy.NewMetrics(b.registry)}
	b.admin = b.newAdmin()
	b.server.Ending = func(d proxy.Drained) { b.admin.Ending(admin.Drained(d)) }
	return b
}

// Topology is the file's that is in effect, without marks.
func (b *balancer) Topology() *config.Topology { return b.router.Table().File() }

// Run listens and serves until ctx ends, then drains: probes, routing and admin go on until the last session is gone.
func (b *balancer) Run(ctx context.Context) error {
	if err := b.Apply(b.Topology()); err != nil {
		return err
	}
	if b.begun != nil {
		b.begun()
	}
	b.sayReady()
	rest, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, rest := errgroup.WithContext(rest)
	group.Go(func() error { return ended(rest, b.router.Run(rest)) })
	group.Go(func() error { return ended(rest, b.checker.Run(rest)) })
	group.Go(func() error { return ended(rest, b.admin.Run(rest)) })
	group.Go(func() error { return b.notify.live(rest, b.alive) })
	group.Go(func() error { return b.remember(rest) })
	group.Go(func() error {
		defer stop()
		serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(ctx, func() { // in this order: whoever finds a listener closed is told why by /readyz
			b.admin.Unready()
			b.notify.stopping(b.server.Deadline())
			cancel()
		})()
		defer context.AfterFunc(rest, cancel)() // a part that failed ends the others
		parts, serving := errgroup.WithContext(serving)
		parts.Go(func() error { return ended(serving, b.names.Run(serving)) })
		parts.Go(func() error { return ended(serving, b.server.Run(serving)) })
		return parts.Wait()
	})
	return group.Wait()
}

// sayReady tells the service manager that what the topology says is in effect.
func (b *balancer) sayReady() {
	t := b.Topology()
	b.notify.ready(fmt.Sprintf("serving %d nodes of %s from region %s", len(t.Nodes), t.Cluster, t.Region))
}

// alive returns unless parts of the program have locked each other out, or a machine is too busy to run it.
func (b *balancer) alive() {
	b.server.Sessions()
	b.router.Flush()
}

// Apply puts a topology into effect: it binds what is new, which may fail and then nothing has changed, publishes the
// table, accepts, and closes what is no longer listened on. Sessions live on.
func (b *balancer) Apply(t *config.Topology) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	sessions, err := b.server.Prepare(t)
	if err != nil {
		return err
	}
	api, err := b.admin.Prepare(t.Admin)
	if err != nil {
		sessions.Abort()
		return err
	}
	names, err := b.names.Prepare(t)
	if err != nil {
		sessions.Abort()
		api.Abort()
		return err
	}
	b.router.Publish(t)
	b.checker.Update(t)
	sessions.Commit()
	api.Commit()
	names.Commit()
	return nil
}
