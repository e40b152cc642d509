package geodns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
	"posthouse/routing"
)

// responder is a Health with the health of nodes that it looks at.
type responder struct {
	Health
	zones    *Zones
	topology *config.Topology
	state    routing.State
	log      bytes.Buffer
	asked    int // times that another View was asked for
}

func newResponder(t *testing.T, text string) *responder {
	t.Helper()
	r := &responder{topology: load(t, text)}
	zones, err := NewZones(r.topology, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.zones, r.state.Health = zones, make(map[config.Target]config.Health)
	r.Log, r.Changed = slog.New(slog.NewTextHandler(&r.log, nil)), func() { r.asked++ }
	return r
}

// set sets the state of a service on nodes whose names have a prefix.
func (r *responder) set(prefix, service string, state config.HealthState) {
	for _, n := range r.topology.Probed() {
		if !strings.HasPrefix(n.Name, prefix) || !n.Runs(service) {
			continue
		}
		target := config.Target{Node: n.Name, Service: service}
		if !r.Report(target, config.Health{State: state}) {
			r.state.Health[target] = config.Health{State: state}
		}
	}
}

// fell sets all services of a region's nodes to down.
func (r *responder) fell(region string) {
	for _, s := range r.topology.Services {
		r.set(region+"-", s.Name, config.Down)
	}
}

func (r *responder) view() *View { return r.View(r.zones, routing.NewTable(r.topology, r.state)) }

// told is how a host stands in the regions: "eu us! -ap", where - is down and ! is changing.
func (r *responder) told(host string) string {
	v := r.view()
	var words []string
	for _, h := range r.zones.Hosts {
		if label, _, _ := cutName(h.Name); label != host {
			continue
		}
		for i, region := range r.topology.Regions {
			word := region.Name
			if v.States[h.Index][i].Down {
				word = "-" + word
			}
			if v.States[h.Index][i].Changing {
				word += "!"
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

func TestWhoCanServe(t *testing.T) {
	up, failing, down, recovering := config.Up, config.Failing, config.Down, config.Recovering
	type step struct {
		nodes, service string
		state          config.HealthState
	}
	for _, test := range []struct {
		name  string
		edit  func(*config.Topology)
		steps []step
		host  string
		want  string
	}{
		{"nothing is known: all that run it", nil, nil, "imap", "eu us -ap ch"},
		{"one node of four is enough", nil, []step{{"eu-", "imaps", down}, {"eu-3", "imaps", up}}, "imap", "eu us -ap ch"},
		{"none", nil, []step{{"eu-", "imaps", down}}, "imap", "-eu us -ap ch"},
		{"of another service", nil, []step{{"eu-", "smtp", down}}, "imap", "eu us -ap ch"},
		{"failing is up, and a change is near", nil, []step{{"eu-", "imaps", failing}}, "imap", "eu! us -ap ch"},
		{"but not while another is well", nil, []step{{"eu-", "imaps", failing}, {"eu-1", "imaps", up}}, "imap", "eu us -ap ch"},
		{"recovering is down until rise", nil, []step{{"eu-", "imaps", down}, {"eu-1", "imaps", recovering}}, "imap", "-eu! us -ap ch"},
		{"any of two", nil, []step{{"eu-", "jmap", down}}, "web", "eu us -ap ch"},
		{"neither of two", nil, []step{{"eu-", "jmap", down}, {"eu-", "webdav", down}}, "web", "-eu us -ap ch"},
		{"the last of two is failing", nil, []step{{"eu-", "jmap", down}, {"eu-", "webdav", failing}}, "web", "eu! us -ap ch"},
		{"a region drains", func(t *config.Topology) { t.Regions[0].State = config.Drain }, nil, "imap", "-eu! us -ap ch"},
		{"a region is off", func(t *config.Topology) { t.Regions[1].State = config.Disabled }, nil, "imap", "eu -us -ap ch"},
		{"drained nodes do not count", func(t *config.Topology) {
			for _, n := range t.Nodes[:4] {
				n.State = config.Drain
			}
		}, nil, "imap", "-eu us -ap ch"},
		{"nor do those of weight 0", func(t *config.Topology) {
			for _, n := range t.Nodes[:4] {
				n.Weight = 0
			}
		}, nil, "imap", "-eu us -ap ch"},
		{"nor a service that is drained on them", func(t *config.Topology) {
			for _, n := range t.Nodes[:4] {
				n.States = map[string]config.AdminState{"imaps": config.Drain}
			}
		}, nil, "imap", "-eu us -ap ch"},
		{"a region that is not to be reached is judged by its addresses", func(t *config.Topology) { t.Regions[1].Reach = config.ReachNone },
			[]step{{"address/us/198", "imaps", down}, {"address/us/2001", "imaps", down}}, "imap", "eu -us -ap ch"},
		{"any of them", func(t *config.Topology) { t.Regions[1].Reach = config.ReachNone },
			[]step{{"address/us/198", "imaps", down}}, "imap", "eu us -ap ch"},
		{"a region is judged by its nodes if they are in reach", nil,
			[]step{{"address/us/", "imaps", down}}, "imap", "eu us -ap ch"},
		{"balancers stand for their nodes", func(t *config.Topology) { t.Regions[1].Reach = config.ReachBalancers },
			[]step{{"balancer/us/", "imaps", down}}, "imap", "eu -us -ap ch"},
	} {
		r := newResponder(t, testTopology)
		if test.edit != nil {
			test.edit(r.topology)
		}
		for _, s := range test.steps {
			r.set(s.nodes, s.service, s.state)
		}
		if got := r.told(test.host); got != test.want {
			t.Errorf("%s: %s is %q, want %q", test.name, test.host, got, test.want)
		}
	}
}

func TestAddressesThatAnswer(t *testing.T) {
	r := newResponder(t, testTopology)
	addresses := func() string {
		var words []string
		for _, a := range r.view().Addresses[eu] {
			words = append(words, a.String())
		}
		return strings.Join(words, " ")
	}
	expect := func(when, want string) {
		t.Helper()
		if got := addresses(); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	fall := func(address string) {
		for _, s := range r.topology.Services {
			r.set("address/eu/"+address, s.Name, config.Down)
		}
	}
	expect("nothing is known", "")
	r.set("address/eu/", "imaps", config.Up)
	expect("all answer", "")
	fall("192.0.2.10")
	expect("one does not", "192.0.2.11 2001:db8:1::10")
	r.set("address/eu/192.0.2.10", "smtp", config.Recovering)
	expect("one is on the way back", "192.0.2.11 2001:db8:1::10")
	r.set("address/eu/192.0.2.10", "smtp", config.Up)
	expect("one port of it is back", "")
	fall("")
	expect("none answers", "")

	asked := r.asked
	r.set("address/eu/", "imaps", config.Down)
	if r.asked != asked {
		t.Error("a report without news asks for another View")
	}
	if good := (&Data{Zones: r.zones, View: r.view()}).View.good(eu, r.topology.Regions[eu].Addresses); len(good) != 3 {
		t.Errorf("none answers: %v are answered, want all", good)
	}
}

// An address that was down, went and is back begins as any other.
func TestAddressThatWentIsForgotten(t *testing.T) {
	r := newResponder(t, testTopology)
	for _, s := range r.topology.Services {
		r.set("address/eu/192.0.2.10", s.Name, config.Down)
	}
	r.set("address/eu/192.0.2.11", "imaps", config.Up)
	if got := r.view().Addresses[eu]; len(got) != 2 {
		t.Fatalf("%v, want the two that are not down", got)
	}
	for _, addresses := range [][]netip.Addr{r.topology.Regions[eu].Addresses[1:], r.topology.Regions[eu].Addresses} {
		next := load(t, testTopology)
		next.Regions[eu].Addresses = addresses
		r.topology = next
		if got := r.view().Addresses[eu]; got != nil {
			t.Errorf("of %v only %v are answered", addresses, got)
		}
	}
}

// The addresses of regions with reach: balancers are probed for sessions, and the router has their health.
func TestAddressesOfBalancers(t *testing.T) {
	r := newResponder(t, testTopology)
	r.topology.Regions[us].Reach = config.ReachBalancers
	for _, s := range r.topology.Services {
		r.set("balancer/us/198", s.Name, config.Down)
	}
	r.set("balancer/us/2001", "imaps", config.Up)
	want := []netip.Addr{netip.MustParseAddr("2001:db8:2::10")}
	if got := r.view().Addresses[us]; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// doubting is the gauge of a responder's doubt, and how many times it said that one began and ended.
func (r *responder) doubting(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "posthouse_dns_doubt" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	said := r.log.String()
	over := strings.Count(said, "event=dns-doubt-over")
	return fmt.Sprintf("%v, %d begun, %d over", families[0].GetMetric()[0].GetGauge().GetValue(), strings.Count(said, "event=dns-doubt")-over, over)
}

func TestSelfDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResponder(t, testTopology)
		registry := prometheus.NewRegistry()
		r.Register(registry)
		r.set("us-", "imaps", config.Down) // before
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			if got := r.told("mx") + ", " + r.told("imap"); got != want {
				t.Errorf("%q, want %q\n%s", got, want, &r.log)
			}
		}
		doubting := func(want string) {
			t.Helper()
			if got := r.doubting(t, registry); got != want {
				t.Errorf("%s; want %s\n%s", got, want, &r.log)
			}
		}
		expect(0, "eu us ap ch, eu -us -ap ch")
		r.fell("us")
		expect(0, "eu -us ap ch, eu -us -ap ch")
		r.fell("ch")
		expect(5*time.Second, "eu -us ap -ch, eu -us -ap -ch")
		doubting("0, 0 begun, 0 over")
		r.fell("ap")
		expect(5*time.Second, "eu us! ap! ch!, eu -us! -ap! ch!") // all that we see of the others is gone
		expect(4*time.Minute, "eu us! ap! ch!, eu -us! -ap! ch!")
		if n := strings.Count(r.log.String(), "more likely our own network"); n != 1 {
			t.Errorf("the doubt is said %d times:\n%s", n, &r.log)
		}
		doubting("1, 1 begun, 0 over")
		expect(time.Minute, "eu -us -ap -ch, eu -us -ap -ch") // believed
		doubting("0, 1 begun, 1 over")
		expect(time.Hour, "eu -us -ap -ch, eu -us -ap -ch")
		r.set("ap-1", "smtp", config.Up)
		expect(0, "eu -us ap -ch, eu -us -ap -ch")
		r.set("ap-1", "smtp", config.Down)
		expect(0, "eu -us -ap -ch, eu -us -ap -ch") // one alone fell: the others had long before
	})
}

func TestNoSelfDoubt(t *testing.T) {
	for name, play := range map[string]func(r *responder){
		"the own region fell too": func(r *responder) { r.fell("eu"); r.fell("us"); r.fell("ap"); r.fell("ch") },
		"one after the other": func(r *responder) {
			for _, region := range []string{"us", "ap", "ch"} {
				r.fell(region)
				r.view()
				time.Sleep(30 * time.Second)
			}
		},
		"one is up": func(r *responder) { r.fell("us"); r.fell("ap") },
		"drained regions": func(r *responder) {
			r.topology.Regions[us].State, r.topology.Regions[ap].State = config.Drain, config.Drain
			r.fell("ch")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newResponder(t, testTopology)
			r.view()
			play(r)
			r.view()
			if strings.Contains(r.log.String(), "more likely") {
				t.Errorf("%s, and the responder doubts itself:\n%s", name, &r.log)
			}
		})
	}
}

// A reload in the middle of a doubt, with the hosts in another order, changes nothing about it.
func TestDoubtOutlivesReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResponder(t, testTopology)
		registry := prometheus.NewRegistry()
		r.Register(registry)
		r.set("us-", "imaps", config.Down)
		r.view()
		r.fell("us")
		r.fell("ap")
		r.fell("ch")
		const doubted = "eu us! ap! ch!, eu -us! -ap! ch!"
		if got := r.told("mx") + ", " + r.told("imap"); got != doubted {
			t.Fatalf("%q, want %q", got, doubted)
		}
		swapped := strings.Replace(testTopology, "        imap: [imaps]\n        mx: [smtp]\n", "        mx: [smtp]\n        imap: [imaps]\n", 1)
		zones, err := NewZones(load(t, swapped), 2)
		if err != nil {
			t.Fatal(err)
		}
		r.zones = zones
		if got := r.told("mx") + ", " + r.told("imap"); got != doubted {
			t.Errorf("after a reload %q, want %q", got, doubted)
		}
		r.set("us-1", "smtp", config.Up)
		if got := r.told("mx"); got != "eu us -ap -ch" {
			t.Errorf("one is back: %q", got)
		}
		if got := r.doubting(t, registry); got != "0, 1 begun, 1 over" {
			t.Errorf("one is back: %s\n%s", got, &r.log)
		}
	})
}

// TestLastHealth runs a responder twice: what was down is down at first, until probes have decided.
func TestLastHealth(t *testing.T) {
	var file []byte
	writes := 0
	begin := func(t *testing.T) (*responder, func()) {
		r := newResponder(t, testTopology)
		r.topology.StateDir = "state"
		r.Kept = func(string) ([]byte, error) { return file, nil }
		r.Keep = func(dir string, data []byte) error { file, writes = data, writes+1; return nil }
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		return r, func() { cancel(); running.Wait() }
	}
	synctest.Test(t, func(t *testing.T) {
		r, stop := begin(t)
		r.set("eu-", "imaps", config.Down)
		r.set("address/us/198", "smtp", config.Recovering)
		r.view()
		time.Sleep(time.Minute)
		synctest.Wait()
		if writes != 1 {
			t.Errorf("one change was written %d times", writes)
		}
		r.set("us-", "imaps", config.Down)
		r.view() // and the end comes before the next write
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		r, stop := begin(t)
		defer stop()
		if got := r.told("imap"); got != "-eu -us -ap ch" {
			t.Errorf("after a start imap is %q, want eu and us down as they were", got)
		}
		if strings.Contains(r.log.String(), "more likely") {
			t.Errorf("what was so before is no fall:\n%s", &r.log)
		}
		r.set("eu-1", "imaps", config.Up)
		if got := r.told("imap"); got != "eu -us -ap ch" {
			t.Errorf("after a good probe imap is %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := `{"Node":"eu-2","Service":"imaps"}`; !strings.Contains(string(file), want) || strings.Contains(string(file), "eu-1") {
			t.Errorf("kept: %s, want %s and no eu-1", file, want)
		}
	})
	file = []byte("[")
	synctest.Test(t, func(t *testing.T) {
		r, stop := begin(t)
		defer stop()
		if got := r.told("imap"); got != "eu us -ap ch" || !strings.Contains(r.log.String(), "the last health is not known") {
			t.Errorf("with a broken file imap is %q, log:\n%s", got, &r.log)
		}
	})
}

// TestMemoryEndsWithTheFirstProbe has a machine that was down in the run before this one, came up, and gave its name to another one.
func TestMemoryEndsWithTheFirstProbe(t *testing.T) {
	r := newResponder(t, testTopology)
	r.topology.StateDir = "state"
	r.Kept = func(string) ([]byte, error) {
		return []byte(`{"down": [{"Node":"us-1","Service":"imaps"},{"Node":"us-2","Service":"imaps"},{"Node":"us-3","Service":"imaps"},{"Node":"us-4","Service":"imaps"}]}`), nil
	}
	for _, step := range []struct {
		state config.HealthState
		want  string
	}{{config.Unknown, "eu -us -ap ch"}, {config.Up, "eu us -ap ch"}, {config.Unknown, "eu us -ap ch"}} {
		r.set("us-", "imaps", step.state)
		if got := r.told("imap"); got != step.want {
			t.Errorf("with nodes that are %v imap is %q, want %q", step.state, got, step.want)
		}
	}
}

// TestMemoryIsKeptAtLast has a disk that is full for a while, and then another state_dir.
func TestMemoryIsKeptAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := make(map[string]string)
		var full atomic.Bool
		full.Store(true)
		r := newResponder(t, testTopology)
		r.topology.StateDir = "one"
		r.Kept = func(string) ([]byte, error) { return nil, nil }
		r.Keep = func(dir string, data []byte) error {
			if full.Load() {
				return errors.New("no space left")
			}
			files[dir] = string(data)
			return nil
		}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		defer running.Wait()
		defer cancel()
		later := func(dir string) string {
			time.Sleep(time.Minute)
			synctest.Wait()
			return files[dir]
		}
		r.set("us-1", "imaps", config.Down)
		r.view()
		if got, said := later("one"), strings.Count(r.log.String(), "not remembered"); got != "" || said != 1 {
			t.Errorf("on a full disk: %q is kept, and that nothing is was said %d times, want once", got, said)
		}
		full.Store(false)
		if got := later("one"); !strings.Contains(got, "us-1") {
			t.Errorf("kept when there is room again: %q, want us-1", got)
		}
		moved := *r.topology
		moved.StateDir = "two"
		r.topology = &moved
		r.view()
		if got := later("two"); !strings.Contains(got, "us-1") {
			t.Errorf("kept in another state_dir: %q, want us-1", got)
		}
	})
}
