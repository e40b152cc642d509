package routing

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"posthouse/config"
)

// running runs a router in the bubble of a test and returns what stops it.
func running(t *testing.T, r *Router) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	}
}

func target(node string) config.Target { return config.Target{Node: node, Service: "imaps"} }

func state(r *Router, node string) config.HealthState { return r.Table().Health(target(node)).State }

func TestFirstChangeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRouter(one(config.LeastSessions, 4, nodes(2, "eu", "eu", "imaps")...), noLog)
		defer running(t, r)()
		time.Sleep(time.Second)
		begun := time.Now()
		r.SetHealth(target("eu-1"), config.Health{State: config.Down})
		synctest.Wait()
		if got := state(r, "eu-1"); got != config.Down || time.Since(begun) > 0 {
			t.Errorf("state after a report = %v after %v, want down at once", got, time.Since(begun))
		}
		r.SetHealth(target("eu-1"), config.Health{State: config.Up})
		time.Sleep(settle)
		synctest.Wait()
		if got := state(r, "eu-1"); got != config.Up {
			t.Errorf("state %v after the next report = %v, want up", settle, got)
		}
	})
}

func TestReportsBeforeRunCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRouter(one(config.LeastSessions, 4, nodes(2, "eu", "eu", "imaps")...), noLog)
		r.SetHealth(target("eu-1"), config.Health{State: config.Down})
		r.SetHealth(target("nobody"), config.Health{State: config.Down})
		defer running(t, r)()
		time.Sleep(settle)
		synctest.Wait()
		if got := state(r, "eu-1"); got != config.Down {
			t.Errorf("state reported before Run = %v, want down", got)
		}
	})
}

// 1,024 nodes with eight services that come up within a second are a few tables.
func TestBurstIsFewTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRouter(large(1024, config.LeastSessions, even), noLog)
		r.Metrics = NewMetrics(prometheus.NewRegistry())
		defer running(t, r)()
		time.Sleep(time.Second)
		for i, b := range r.Table().Backends() {
			if i%64 == 0 {
				time.Sleep(time.Second / 128)
			}
			r.SetHealth(b.Target(), config.Health{State: config.Up})
		}
		time.Sleep(settle)
		synctest.Wait()
		if built := testutil.ToFloat64(r.Metrics.tables); built > 25 {
			t.Errorf("8,192 reports in a second are %v tables, want about 20", built)
		}
		for _, b := range r.Table().Backends() {
			if b.Health.State != config.Up {
				t.Fatalf("%v is %v after it was reported up", b.Target(), b.Health.State)
			}
		}
	})
}

// What changes no choice waits a second, and what changes nothing makes no table at all.
func TestQuietReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRouter(one(config.LeastSessions, 4, nodes(2, "eu", "eu", "imaps")...), noLog)
		r.Metrics = NewMetrics(prometheus.NewRegistry())
		defer running(t, r)()
		for i := range 100 {
			r.SetHealth(target("eu-1"), config.Health{State: config.Unknown, Greeting: time.Duration(i) * time.Millisecond})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(leisure)
		synctest.Wait()
		if built := testutil.ToFloat64(r.Metrics.tables); built < 9 || built > 12 {
			t.Errorf("greeting times of ten seconds are %v tables, want about 10", built)
		}
		if got := r.Table().Health(target("eu-1")).Greeting; got != 99*time.Millisecond {
			t.Errorf("greeting time = %v, want 99ms", got)
		}
		before := r.Table()
		r.SetHealth(target("eu-1"), config.Health{Greeting: 99 * time.Millisecond})
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.Table() != before {
			t.Error("a report that changes nothing, and idleness, made a table")
		}
	})
}

func TestRouterRamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top := one(config.LeastSessions, 4, nodes(2, "eu", "eu", "imaps")...)
		top.Services[0].SlowStart = 31 * time.Second
		r := NewRouter(top, noLog)
		r.Metrics = NewMetrics(prometheus.NewRegistry())
		defer running(t, r)()
		r.SetHealth(target("eu-1"), config.Health{State: config.Up, Recovered: time.Now()})
		var weights []uint64
		for range 35 {
			time.Sleep(time.Second)
			synctest.Wait()
			weights = append(weights, lightest(r.Table()))
		}
		if !slices.IsSorted(weights) || weights[0] > 2 || weights[30] < rampSteps-1 || weights[32] != rampSteps {
			t.Errorf("parts of its weight each second = %v, want 1 or 2, growing to 32", weights)
		}
		if built := testutil.ToFloat64(r.Metrics.tables); built > 36 {
			t.Errorf("a slow start of 31 s made %v tables, want one a second", built)
		}
	})
}

// lightest is the weight of the lightest member of the first group, in parts of rampSteps.
func lightest(t *Table) uint64 {
	classes := t.pools[0].groups[usable][0].classes
	return classes[len(classes)-1].weight * rampSteps / classes[0].weight
}

func TestChangesAreLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	both := topology([]*config.Service{service("imaps", "", 4), service("sieve", "", 4)}, []string{"eu"}, nodes(2, "eu", "eu", "imaps", "sieve")...)
	imapsOnly := one("", 4, nodes(2, "eu", "eu", "imaps")...)
	r := NewRouter(both, log)
	set := func(service string, state config.HealthState, reason string) func() {
		return func() {
			r.SetHealth(config.Target{Node: "eu-1", Service: service}, config.Health{State: state, Reason: reason})
		}
	}
	steps := []struct {
		do   []func()
		want string
	}{
		{[]func(){set("imaps", config.Up, ""), set("sieve", config.Up, "")}, ""},
		{[]func(){set("imaps", config.Failing, "refused")}, ""},
		{[]func(){set("imaps", config.Down, "refused"), set("sieve", config.Down, "refused")}, `msg="node down" event=node-down node=eu-1 region=eu services=imaps,sieve reason=refused`},
		{[]func(){set("imaps", config.Down, "timeout")}, ""},
		{[]func(){set("imaps", config.Recovering, "")}, ""},
		{[]func(){set("imaps", config.Up, "")}, `msg="node up" event=node-up node=eu-1 region=eu services=imaps`},
		{[]func(){set("imaps", config.Down, ""), set("imaps", config.Up, "")}, ""},
		{[]func(){func() { r.Publish(imapsOnly) }}, ""},
		{[]func(){set("imaps", config.Down, "reset"), func() { r.Publish(both) }}, `msg="node down" event=node-down node=eu-1 region=eu services=imaps reason=reset`},
		{[]func(){set("imaps", config.Up, "")}, `msg="node up" event=node-up node=eu-1 region=eu services=imaps`},
	}
	for i, step := range steps {
		out.Reset()
		for _, do := range step.do {
			do()
		}
		r.Flush()
		if got := strings.TrimSpace(out.String()); got != step.want {
			t.Errorf("step %d logged %q, want %q", i, got, step.want)
		}
	}
}

func TestReloadKeepsHealthOfWhatIsUnchanged(t *testing.T) {
	moved, ported := node("eu-2", "eu", "imaps"), node("eu-3", "eu", "imaps")
	moved.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.99")}
	ported.Ports = map[string]uint16{"imaps": 10993}
	drained := node("eu-1", "eu", "imaps")
	drained.State, drained.Weight = config.Drain, 7
	r := NewRouter(one("", 4, nodes(4, "eu", "eu", "imaps")...), noLog)
	for i := range 4 {
		r.SetHealth(target(fmt.Sprintf("eu-%d", i+1)), config.Health{State: config.Down})
	}
	r.Publish(one("", 4, drained, moved, ported, node("eu-5", "eu", "imaps")))
	want := map[string]config.HealthState{"eu-1": config.Down, "eu-2": config.Unknown, "eu-3": config.Unknown, "eu-5": config.Unknown}
	for name, want := range want {
		if got := state(r, name); got != want {
			t.Errorf("%s after the reload is %v, want %v", name, got, want)
		}
	}
	if b := r.Table().Backends()[0]; b.Node != drained {
		t.Errorf("eu-1 after the reload is the node of the old topology: %+v", b.Node)
	}
}

func TestAddressesOfHostNames(t *testing.T) {
	named := func(host string, services ...string) *config.Node {
		n := node("eu-1", "eu", services...)
		n.Addresses, n.Host = nil, host
		return n
	}
	both := []*config.Service{service("imaps", "", 4), service("sieve", "", 4)}
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	r := NewRouter(topology(both, []string{"eu"}, named("a.example.org", "imaps")), noLog)
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"not yet", func() {}, "[]"},
		{"resolved", func() { r.SetAddresses("eu-1", []netip.Addr{one}) }, "[192.0.2.1:993]"},
		{"nothing found", func() { r.SetAddresses("eu-1", nil) }, "[192.0.2.1:993]"},
		{"changed", func() { r.SetAddresses("eu-1", []netip.Addr{two}) }, "[192.0.2.2:993]"},
		{"a service more", func() { r.Publish(topology(both, []string{"eu"}, named("a.example.org", "imaps", "sieve"))) }, "[192.0.2.2:993] [192.0.2.2:993]"},
		{"another name", func() { r.Publish(topology(both, []string{"eu"}, named("b.example.org", "imaps"))) }, "[]"},
		{"not a name", func() {
			r.Publish(topology(both, []string{"eu"}, node("eu-2", "eu")))
			r.SetAddresses("eu-2", []netip.Addr{one})
		}, ""},
	}
	for _, step := range steps {
		step.do()
		r.Flush()
		var got []string
		for _, b := range r.Table().Backends() {
			got = append(got, fmt.Sprint(b.Addrs))
		}
		if strings.Join(got, " ") != step.want {
			t.Errorf("%s: addresses %v, want %s", step.name, got, step.want)
		}
	}
}

// A pool that nothing has changed in is taken over; one with a change is not.
func TestTablesShareWhatIsUnchanged(t *testing.T) {
	top := topology([]*config.Service{service("imaps", "", 4), service("sieve", "", 4)}, []string{"eu"}, nodes(2, "eu", "eu", "imaps", "sieve")...)
	r := NewRouter(top, noLog)
	before := r.Table()
	r.SetHealth(target("eu-1"), config.Health{State: config.Down})
	r.Flush()
	after := r.Table()
	if after.pools[0] == before.pools[0] || after.pools[1] != before.pools[1] {
		t.Errorf("pools taken over: imaps %v, sieve %v, want false, true", after.pools[0] == before.pools[0], after.pools[1] == before.pools[1])
	}
	if before.Health(target("eu-1")).State != config.Unknown || after.Health(target("eu-1")).State != config.Down {
		t.Error("a report changed the table before it, or not the one after it")
	}
}

// TestEverybodyAtOnce is for the race detector; sessions end on tables long gone.
func TestEverybodyAtOnce(t *testing.T) {
	tops := []*config.Topology{large(24, config.LeastSessions, mixed), large(18, config.RoundRobin, even), large(24, config.ClientHash, mixed)}
	for _, s := range tops[0].Services {
		s.SlowStart = time.Minute
	}
	r := NewRouter(tops[0], noLog)
	stop := running(t, r)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() { route(r, i) })
	}
	all.Go(func() {
		for i := range 2000 {
			node := tops[0].Nodes[i%24].Name
			r.SetHealth(config.Target{Node: node, Service: eight[i%8]}, config.Health{State: config.HealthState(i % 5), Recovered: start, Count: i})
			r.SetAddresses(node, []netip.Addr{client(i)})
		}
	})
	all.Go(func() {
		for i := range 60 {
			r.Publish(tops[i%3])
		}
	})
	all.Wait()
	stop()
	r.Publish(tops[0])
	for _, b := range r.Table().Backends() {
		if b.Sessions() != 0 || b.node.n.Load() != 0 {
			t.Errorf("%v has %d sessions after the last one ended", b.Target(), b.Sessions())
		}
	}
}

// route begins sessions and ends each of them many tables later.
func route(r *Router, from int) {
	var held []*Backend
	for i := range 3000 {
		t := r.Table()
		t.Usable("imaps")
		c := t.Route(Request{Service: eight[i%8], Client: client(from + i)})
		for b := c.Next(); b != nil; b = c.Next() {
			if b.Begin() {
				held = append(held, b)
				break
			}
		}
		if len(held) > 100 {
			held[0].End()
			held = held[1:]
		}
	}
	for _, b := range held {
		b.End()
	}
}
