package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"posthouse/config"
	"posthouse/geodns"
	"posthouse/geodns/nearest"
	"posthouse/routing"
)

// nameServer joins what DNS answers are made of: the zones of the topology, where clients are, and how the regions are.
//
//	topology -> zones, loader -> geography \
//	router -> table -> view                 -> data -> server
//
// It does nothing as long as no topology has had a section dns.
type nameServer struct {
	log    *slog.Logger
	router *routing.Router
	server *geodns.Server
	health *geodns.Health
	geoip  *nearest.Metrics

	changed chan struct{} // that there is other data to be made

	mu       sync.Mutex // guards the following
	serial   serial
	loader   *nearest.Loader
	begun    chan struct{} // closed when there is a loader
	zones    *geodns.Zones // in effect as soon as places fits
	topology *config.Topology
	sources  string // how the files looked that zones are made of
	refused  string // how they looked when it was said that none can be made of them
	prepared bool   // there is a change that is neither committed nor aborted
	places   *nearest.Geography
	placed   *config.Topology // that places stands for
}

func newNameServer(log *slog.Logger, registry prometheus.Registerer, router *routing.Router) *nameServer {
	n := &nameServer{log: log, router: router, changed: make(chan struct{}, 1), begun: make(chan struct{})}
	n.server = &geodns.Server{Log: log, Metrics: geodns.NewMetrics(registry), Kept: cookieFile.kept, Keep: cookieFile.keep}
	n.health = &geodns.Health{Log: log, Changed: n.wake, Kept: nameHealthFile.kept, Keep: nameHealthFile.keep}
	n.health.Register(registry)
	n.geoip = nearest.NewMetrics(registry)
	router.Published = n.wake
	return n
}

// wake asks for other data. It never blocks.
func (n *nameServer) wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// nameChange is a topology's zones and addresses, ready to be put into effect.
type nameChange struct {
	names     *nameServer
	topology  *config.Topology
	zones     *geodns.Zones
	serial    serial
	sources   string
	loader    *nearest.Loader
	addresses *geodns.Change
}

// Prepare makes the zones and binds the addresses. Nothing has changed yet; the caller calls Commit or Abort, and never prepares two changes
// at a time.
func (n *nameServer) Prepare(t *config.Topology) (*nameChange, error) {
	loader, err := n.loaderFor(t)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	// The sources are older than what is read: a change in between is seen at the next look.
	c := &nameChange{names: n, topology: t, loader: loader, sources: geodns.Sources(t)}
	if c.serial, err = n.serial.next(t.StateDir); err != nil {
		return nil, err
	}
	if c.zones, err = geodns.NewZones(t, c.serial.number); err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	c.addresses, err = n.server.Prepare(t)
	n.prepared = err == nil
	return c, err
}

// loaderFor is the loader that there is, or one for the first topology with a section dns. Where a process that serves already needs another
// geography it is made here: databases of no use are to refuse the reload, and not to end the process later, or to leave names as they
// were whatever becomes of the nodes. Nobody waits for the mutex meanwhile.
func (n *nameServer) loaderFor(t *config.Topology) (loader *nearest.Loader, err error) {
	n.mu.Lock()
	loader, places, serves := n.loader, n.places, n.topology != nil
	n.mu.Unlock()
	switch {
	case t.DNS == nil:
		return loader, nil
	case loader == nil:
		loader, err = n.newLoader(t, serves)
	case places != nil && !places.Fits(t):
		err = loader.Make(t)
	}
	if err != nil {
		return nil, fmt.Errorf("dns: geoip: %w", err)
	}
	return loader, nil
}

// newLoader makes the loader, with its first geography if it is to be made now.
func (n *nameServer) newLoader(t *config.Topology, now bool) (*nearest.Loader, error) {
	loader, err := nearest.NewLoader(t, n.log)
	if err != nil {
		return nil, err
	}
	loader.Ready, loader.Metrics = n.place, n.geoip
	if now {
		err = loader.Load()
	}
	return loader, err
}

// Abort forgets the change.
func (c *nameChange) Abort() {
	c.names.mu.Lock()
	defer c.names.mu.Unlock()
	c.names.prepared = false
	c.addresses.Abort()
}

// Commit puts the change into effect, as soon as the geography is that of its regions; until then answers are what they were.
func (c *nameChange) Commit() {
	n := c.names
	n.mu.Lock()
	defer n.mu.Unlock()
	n.zones, n.topology, n.serial, n.sources, n.prepared = c.zones, c.topology, c.serial, c.sources, false
	if c.topology.DNS != nil {
		n.keepSerial()
	}
	switch {
	case c.loader == nil:
	case n.loader == nil:
		n.loader = c.loader
		close(n.begun)
	default:
		n.loader.Use(c.topology)
	}
	c.addresses.Commit()
	n.wake()
}

// place takes the geography that stands for a topology.
func (n *nameServer) place(t *config.Topology, g *nearest.Geography) {
	n.mu.Lock()
	n.places, n.placed = g, t
	n.mu.Unlock()
	n.wake()
}

// Report takes what probes say of a target. Public addresses are for DNS alone, nodes are the router's.
func (n *nameServer) Report(target config.Target, h config.Health) {
	if !n.health.Report(target, h) {
		n.router.SetHealth(target, h)
	}
}

// answers says whether names are to be answered.
func (n *nameServer) answers() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.topology != nil && n.topology.DNS != nil
}

const waitsForPlaces = "dns waits for its first table of where clients are"

// Waiting is why no name can be answered yet, "" if names are answered or are not to be.
func (n *nameServer) Waiting() string {
	if !n.answers() || n.server.Data() != nil {
		return ""
	}
	return waitsForPlaces
}

// Run answers until ctx ends.
func (n *nameServer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.server.Run(ctx) })
	group.Go(func() error { return n.health.Run(ctx) })
	group.Go(func() error { return n.follow(ctx) })
	group.Go(func() error {
		select {
		case <-n.begun:
			return n.loader.Run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-n.changed:
				n.refresh()
			}
		}
	})
	return group.Wait()
}

// refresh gives the server the data of now, if it is other data and all of one topology.
func (n *nameServer) refresh() {
	n.mu.Lock()
	zones, topology, places, placed := n.zones, n.topology, n.places, n.placed
	n.mu.Unlock()
	table := n.router.Table()
	if topology == nil || topology.DNS == nil || placed != topology || table.File() != topology {
		return
	}
	d := &geodns.Data{Zones: zones, Places: places, View: n.health.View(zones, table), Identity: identity(topology.Region)}
	if old := n.server.Data(); old == nil || !same(old, d) {
		n.server.Use(d)
	}
}

// same says whether two data make the same answers. Most tables of the router change nothing here.
func same(a, b *geodns.Data) bool {
	return a.Zones == b.Zones && a.Places == b.Places && reflect.DeepEqual(a.View, b.View)
}

// What is kept inside state_dir.
const (
	nameHealthFile stateFile = "dns-health.json"  // what was down when the process ended
	cookieFile     stateFile = "dns-cookies.json" // the secrets with which cookies are made
)

// stateFile is a file in a state_dir.
type stateFile string

// kept is nothing where nothing was kept.
func (f stateFile) kept(dir string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(dir, string(f)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (f stateFile) keep(dir string, data []byte) error { return replaceFile(dir, string(f), data) }

// identity is what tells the servers of a zone apart (RFC 5001).
func identity(region string) string {
	host, err := os.Hostname()
	if err != nil {
		return region
	}
	return region + " " + host
}

// Sends tells where DNS sends the clients of each region now.
func (n *nameServer) Sends(tell func(from, name, to string)) {
	d := n.server.Data()
	if d == nil {
		return
	}
	for _, s := range d.Sends() {
		tell(s.From, s.Name, s.To)
	}
}
