package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"posthouse/config"
	"posthouse/mailtest"
)

const (
	demoUser     = "anna"
	demoPassword = "demo"
	demoStart    = 30 * time.Second // for 100 listeners on a busy machine
)

type demoCmd struct {
	Dir      string        `placeholder:"PATH" help:"Keep the files of the demo (topology.yaml, balancers.log, certificates) in this directory; default: a temporary one, removed at the end."`
	BasePort int           `default:"10000" placeholder:"PORT" help:"Where the ports of the demo begin (${default}); taken ones are stepped over."`
	Chaos    time.Duration `default:"20s" placeholder:"TIME" help:"How often a node dies or freezes, for half that time (${default}); 0s leaves them alone."`
	For      time.Duration `placeholder:"TIME" help:"End so long after the banner; default: on Ctrl-C."`
}

func (demoCmd) Help() string {
	return `Starts mail nodes and balancers in this process, prints where they are and what to try, then what happens. Needs
nothing installed and listens on 127.0.0.1 only.

Example: posthouse demo --chaos 10s`
}

func (cmd demoCmd) Run(c console) error {
	// A second signal finds the default behaviour again: it ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	return cmd.play(ctx, newDemoEvents(c.out))
}

// demo is a cluster in one process: nodes, a balancer in front of each region, one topology file for all of them.
type demo struct {
	cluster   *demoCluster
	events    *demoEvents
	ca        *mailtest.CA  // that balancers and nodes have their certificates from
	source    config.Source // of the topology that it began with
	log       slog.Handler
	nodes     map[string]*mailtest.Node
	balancers map[string]*balancer // by region
	visitor   mailtest.Visitor
	own       ownClients
	tally     demoTally
}

// play is the demo from the first port to the last word.
func (cmd demoCmd) play(ctx context.Context, events *demoEvents) error {
	began := time.Now()
	cluster, err := newDemoCluster(cmd.BasePort)
	if err != nil {
		return err
	}
	defer cluster.release()
	dir, leave, err := cmd.directory()
	if err != nil {
		return err
	}
	defer leave()
	d := &demo{cluster: cluster, events: events}
	logFile, err := d.write(dir)
	if err != nil {
		return err
	}
	defer logFile.Close()
	if err := d.prepare(); err != nil {
		return err
	}
	defer d.killNodes()
	if err := d.run(ctx, cmd); err != nil {
		return err
	}
	events.say("demo", "ended after %s: %s", time.Since(began).Round(time.Second), &d.tally)
	return nil
}

// prepare makes nodes and balancers, and starts the nodes.
func (d *demo) prepare() error {
	server, err := d.ca.Server(demoNames...)
	if err != nil {
		return err
	}
	d.visitor = mailtest.Visitor{Name: demoUser, Password: demoPassword, TLS: d.ca.Client(demoName)}
	d.balancers = make(map[string]*balancer)
	for _, r := range d.cluster.regions {
		topology, err := d.parse(d.source, r)
		if err != nil {
			return err
		}
		d.balancers[r.name] = newBalancer(topology, d.logger(r.name))
	}
	d.nodes = d.cluster.mailNodes(server)
	for _, n := range d.nodes {
		if err := n.Start(); err != nil {
			d.killNodes()
			return err
		}
	}
	return nil
}

// logger is the log of a region's balancer: the file, and the screen for the sessions of those who try the demo.
func (d *demo) logger(region string) *slog.Logger {
	log := &guestLog{Handler: d.log, events: d.events, own: &d.own, region: region}
	return slog.New(log).With("balancer", region)
}

// parse reads a topology as the balancer of a region does. Three balancers in one process cannot share the one address for
// admin and the one for DNS that a file gives: each has its own, beside its other ports.
func (d *demo) parse(s config.Source, r *demoRegion) (*config.Topology, error) {
	topology, err := config.Parse(s, config.Options{Region: r.name, Serve: true})
	if err != nil {
		return nil, err
	}
	topology.Admin = config.Admin{Listen: r.front.address(demoAdmin)}
	if topology.DNS != nil {
		topology.DNS.Listen = []netip.AddrPort{netip.MustParseAddrPort(r.front.address(demoDNS))}
	}
	return topology, nil
}

func (d *demo) killNodes() {
	for _, n := range d.nodes {
		n.Kill()
	}
}

// run is the balancers around everything that happens: they come first, and drain when all else has ended.
func (d *demo) run(ctx context.Context, cmd demoCmd) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	balancers, serving := errgroup.WithContext(serving)
	for _, b := range d.balancers {
		balancers.Go(func() error { return ended(serving, b.Run(serving)) })
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(serving, cancel)() // a balancer that failed ends the demo
	err := d.happen(ctx, cmd)
	stop()
	return errors.Join(balancers.Wait(), err)
}

// happen waits for the balancers, prints the banner and lets things happen until ctx or the time that is given ends.
func (d *demo) happen(ctx context.Context, cmd demoCmd) error {
	if err := d.await(ctx); err != nil {
		return ended(ctx, err)
	}
	d.events.print(d.cluster.banner(filepath.Dir(d.source.Path), cmd.Chaos))
	if cmd.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cmd.For)
		defer cancel()
	}
	actors, ctx := errgroup.WithContext(ctx)
	actors.Go(func() error { return d.follow(ctx) })
	actors.Go(func() error { return d.observe(ctx) })
	actors.Go(func() error { return d.visit(ctx) })
	d.idle(ctx, actors)
	if cmd.Chaos > 0 {
		actors.Go(func() error { return d.chaos(ctx, cmd.Chaos) })
	}
	return ended(ctx, actors.Wait())
}

// await returns when every balancer lets a client in.
func (d *demo) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoStart, errors.New("the balancers did not open their ports in time"))
	defer cancel()
	for _, r := range d.cluster.regions {
		for {
			visit, err := d.guest(ctx).Visit(ctx, "imaps", r.front.address("imaps"))
			if err == nil {
				visit.Leave()
				break
			}
			if !pause(ctx, 20*time.Millisecond) {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// pause says whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
