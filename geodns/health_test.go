package geodns

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

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
