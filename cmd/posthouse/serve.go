package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"posthouse/config"
)

type serveCmd struct {
	Config string `required:"" placeholder:"PATH" help:"The topology: a YAML file, or a directory of them."`
	Region string `env:"POSTHOUSE_REGION" placeholder:"NAME" help:"Where this balancer stands; wins over the file."`
	logFlags
}

func (serveCmd) Help() string {
	return `The topology is read again when it changes and on SIGHUP; SIGTERM drains the sessions and ends.

Example: posthouse serve --config /etc/posthouse/topology.yaml --region eu`
}

func (cmd serveCmd) Run(c console) error {
	paper := &journal{to: c.err, patience: logPatience}
	defer paper.flush()
	log := cmd.logger(paper)
	signal.Ignore(syscall.SIGPIPE) // mail goes on when whoever takes the log is gone
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // from before the start to after the drain: unhandled it would end the process
	defer signal.Stop(hangup)
	r := &reloader{path: cmd.Config, options: config.Options{Region: cmd.Region, Serve: true}, log: log, hangup: hangup}
	topology, err := r.first()
	if err != nil {
		return err
	}
	grantProcessors(topology)
	// A second signal finds the default behaviour again: it ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	b := newBalancer(topology, log)
	b.notify, b.server.Gather = newNotifier(), paper.gather
	if b.server.Passed, err = passedListeners(); err != nil {
		return err
	}
	return serve(ctx, b, r)
}

// serve runs a balancer and follows its topology until ctx ends and the sessions are drained.
func serve(ctx context.Context, b *balancer, r *reloader) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	b.admin.Reload = r.ask
	b.admin.Stop = func(within time.Duration) {
		b.server.EndWithin(within)
		stop()
	}
	b.restore()
	r.begin(b)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(ctx, b.Run(ctx)) })
	group.Go(func() error { return ended(ctx, r.follow(ctx, b)) })
	return group.Wait()
}

// restore puts into effect what a run before this one has kept in state_dir.
func (b *balancer) restore() {
	b.admin.Restore()
	known, err := recall(b.router.Table(), time.Now())
	if err != nil {
		b.log.Warn("every node counts as up until it is probed", "event", "health-lost", "why", err.Error())
	}
	for target, h := range known { // before the first session
		b.router.SetHealth(target, h)
	}
	b.router.Flush()
	b.checker.Known = known
}

// ended is nil for what ends because it was told to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func logWarnings(log *slog.Logger, t *config.Topology) {
	for _, w := range t.Warnings {
		log.Warn("topology", "warning", w.String())
	}
}
