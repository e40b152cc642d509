package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"posthouse/config"
	"posthouse/mailtest"
	"posthouse/routing"
)

const shapeUser, shapePassword = "anna@example.org", "secret"

// resolver knows the nodes that are given by host name.
type resolver map[string]netip.Addr

func newResolver(t *config.Topology) resolver {
	r, next := make(resolver), netip.MustParseAddr("127.64.0.1")
	for _, n := range t.Nodes {
		if n.Host != "" {
			r[n.Host], next = next, next.Next()
		}
	}
	return r
}

func (r resolver) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := r[host]; ok {
		return []netip.Addr{a}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// startNodes runs every node of the topology at its addresses, with what it runs there.
func (f *shapeFile) startNodes(topology *config.Topology, names resolver) {
	f.t.Helper()
	store := mailtest.NewStore(mailtest.Account{Name: shapeUser, Password: shapePassword})
	for _, n := range topology.Nodes {
		at := names[n.Host]
		if n.Host == "" {
			at = n.Addresses[0]
		}
		node := &mailtest.Node{Name: n.Name, Address: make(map[string]string), TLS: f.server, Proxy: config.ProxyV2, Store: store}
		for _, name := range n.Services {
			node.Address[playedBy(name)] = netip.AddrPortFrom(at, n.Port(topology.Service(name))).String()
		}
		if err := node.Start(); err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(node.Kill)
	}
}

// playedBy is the service of package mailtest that stands for one of ours.
func playedBy(service string) string {
	if service == "archive" { // any that speaks first
		return "pop3"
	}
	return service
}

// runBalancer runs the balancer of a topology until the test ends.
func (f *shapeFile) runBalancer(topology *config.Topology, names resolver) *balancer {
	f.t.Helper()
	log := &lockedBuffer{}
	b := newBalancer(topology, slog.New(slog.NewTextHandler(log, nil)))
	b.checker.Lookup = names.lookup
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	f.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			f.t.Errorf("balancer of %q = %v", topology.Region, err)
		}
		if f.t.Failed() {
			f.t.Logf("balancer of %q said:\n%s", topology.Region, troubles(log.String()))
		}
	})
	for _, l := range topology.Listeners() {
		poll(f.t, "the front "+l.Address.String(), func() bool { return dialable(l.Address) })
	}
	poll(f.t, "the host names of nodes", func() bool {
		return !slices.ContainsFunc(b.router.Table().Backends(), func(b *routing.Backend) bool { return len(b.Addrs) == 0 })
	})
	return b
}

// allUp waits until the probes have found every node of every service, and says how many targets that is.
func allUp(t *testing.T, b *balancer) (targets int) {
	t.Helper()
	var silent string
	defer func() {
		if silent != "" {
			t.Logf("not up: %s", silent)
		}
	}()
	poll(t, "the probes to find every node up", func() bool {
		targets, silent = 0, ""
		for _, backend := range b.router.Table().Backends() {
			if targets++; backend.Health.State != config.Up {
				silent = fmt.Sprint(backend.Target(), backend.Health)
			}
		}
		return silent == ""
	})
	return targets
}

func dialable(address netip.AddrPort) bool {
	c, err := net.Dial("tcp", address.String())
	if err == nil {
		c.Close()
	}
	return err == nil
}

// troubles is the first lines of a log that tell of something that went wrong.
func troubles(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "failed=") || strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			b.WriteString(line)
		}
		if b.Len() > 8_000 {
			break
		}
	}
	return b.String()
}
