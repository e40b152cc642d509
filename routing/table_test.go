package routing

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"posthouse/config"
)

// TestPhases walks one node a kind. Names say what they are: region, then w (weight 1) or z (weight 0), then how it is.
func TestPhases(t *testing.T) {
	var all []*config.Node
	health := make(map[config.Target]config.Health)
	for _, region := range []string{"eu", "us", "ap"} {
		for _, kind := range []string{"w-up", "w-down", "z-up", "z-down", "w-drain", "w-disabled"} {
			n := node(region+"-"+kind, region, "imaps")
			switch weight, how, _ := strings.Cut(kind, "-"); how {
			case "drain":
				n.State = config.Drain
			case "disabled":
				n.State = config.Disabled
			case "down":
				health[config.Target{Node: n.Name, Service: "imaps"}] = config.Health{State: config.Down}
				fallthrough
			default:
				n.Weight = map[string]int{"w": 1, "z": 0}[weight]
			}
			all = append(all, n)
		}
	}
	tests := []struct {
		name     string
		attempts int
		set      func(t *config.Topology)
		want     string
	}{
		{"all regions, phase by phase", 99, nil, "eu-w-up us-w-up ap-w-up eu-z-up us-z-up ap-z-up " +
			"eu-w-down us-w-down ap-w-down eu-z-down us-z-down ap-z-down"},
		{"attempts", 4, nil, "eu-w-up us-w-up ap-w-up eu-z-up"},
		{"one attempt", 1, nil, "eu-w-up"},
		{"failover", 99, func(t *config.Topology) {
			t.Regions[0].FailoverSet, t.Regions[0].Failover = true, []string{"ap"}
		}, "eu-w-up ap-w-up eu-z-up ap-z-up eu-w-down ap-w-down eu-z-down ap-z-down"},
		{"residency", 99, func(t *config.Topology) { t.Regions[0].FailoverSet = true }, "eu-w-up eu-z-up eu-w-down eu-z-down"},
		{"region drained", 99, func(t *config.Topology) { t.Regions[0].State = config.Drain },
			"us-w-up ap-w-up us-z-up ap-z-up us-w-down ap-w-down us-z-down ap-z-down"},
		{"everything drained", 99, func(t *config.Topology) {
			t.Regions[0].State, t.Regions[0].FailoverSet = config.Drain, true
		}, ""},
		{"another region disabled", 99, func(t *config.Topology) { t.Regions[1].State = config.Disabled },
			"eu-w-up ap-w-up eu-z-up ap-z-up eu-w-down ap-w-down eu-z-down ap-z-down"},
		{"out of reach", 99, func(t *config.Topology) { t.Regions[1].Reach = config.ReachNone },
			"eu-w-up ap-w-up eu-z-up ap-z-up eu-w-down ap-w-down eu-z-down ap-z-down"},
		{"by balancers", 99, func(t *config.Topology) {
			t.Regions[1].Reach, t.Regions[1].Addresses = config.ReachBalancers, []netip.Addr{netip.MustParseAddr("192.0.2.10")}
		}, "eu-w-up balancer/us/192.0.2.10 ap-w-up eu-z-up ap-z-up eu-w-down ap-w-down eu-z-down ap-z-down"},
	}
	for _, test := range tests {
		for _, balance := range balances {
			top := topology([]*config.Service{service("imaps", balance, test.attempts)}, []string{"eu", "us", "ap"}, all...)
			top.MinHealthy = 0.1
			if test.set != nil {
				test.set(top)
			}
			if got := strings.Join(walk(NewTable(top, State{Health: health}).Route(request(1))), " "); got != test.want {
				t.Errorf("%s, %s: Route = %s\nwant %s", test.name, balance, got, test.want)
			}
		}
	}
}

func TestSpillsWhereTheServiceIs(t *testing.T) {
	imaps, sieve := service("imaps", config.LeastSessions, 4), service("sieve", config.LeastSessions, 4)
	top := topology([]*config.Service{imaps, sieve}, []string{"eu", "us", "ap"},
		node("eu-1", "eu", "imaps"), node("us-1", "us", "imaps"), node("ap-1", "ap", "imaps", "sieve"))
	tests := []struct {
		name, service, down, want string
	}{
		{"own region", "imaps", "", "eu-1 us-1 ap-1"},
		{"own region down", "imaps", "eu-1", "us-1 ap-1 eu-1"},
		{"two regions down", "imaps", "eu-1 us-1", "ap-1 eu-1 us-1"},
		{"all down", "imaps", "eu-1 us-1 ap-1", "eu-1 us-1 ap-1"},
		{"own region lacks it", "sieve", "", "ap-1"},
		{"unknown service", "gopher", "", ""},
	}
	for _, test := range tests {
		table := NewTable(top, State{Health: down(strings.Fields(test.down)...)})
		if got := strings.Join(walk(table.Route(Request{Service: test.service})), " "); got != test.want {
			t.Errorf("%s: Route(%s) with %q down = %s, want %s", test.name, test.service, test.down, got, test.want)
		}
	}
}

// A session that a balancer of another region sent stays here, or two balancers without nodes would send it round.
func TestRelayedStays(t *testing.T) {
	top := topology([]*config.Service{service("imaps", config.LeastSessions, 9)}, []string{"eu", "us"},
		node("eu-1", "eu", "imaps"), node("eu-2", "eu", "imaps"), node("us-1", "us", "imaps"))
	for _, lost := range [][]string{nil, {"eu-1"}, {"eu-1", "eu-2"}} {
		q := request(1)
		q.Relayed = true
		got := walk(NewTable(top, State{Health: down(lost...)}).Route(q))
		slices.Sort(got)
		if !slices.Equal(got, []string{"eu-1", "eu-2"}) {
			t.Errorf("Route of a relayed session with %v down = %v, want eu-1 and eu-2", lost, got)
		}
	}
}

func TestHostNames(t *testing.T) {
	named := node("eu-1", "eu", "imaps")
	named.Addresses, named.Host = nil, "eu-1.example.org"
	top := one(config.LeastSessions, 4, named)
	if got := walk(NewTable(top, State{}).Route(request(1))); got != nil {
		t.Errorf("Route to a name that is not resolved = %v, want nothing", got)
	}
	found := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	c := NewTable(top, State{Addresses: map[string][]netip.Addr{"eu-1": found}}).Route(request(1))
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:993"), netip.MustParseAddrPort("[2001:db8::1]:993")}
	if got := c.Next(); got == nil || !slices.Equal(got.Addrs, want) {
		t.Errorf("Route to a name that is resolved = %v, want %v", got, want)
	}
}

func TestUsable(t *testing.T) {
	spare := node("eu-3", "eu", "imaps")
	spare.Weight = 0
	drained := node("eu-4", "eu", "imaps")
	drained.State = config.Drain
	table := func(lost ...string) *Table {
		return NewTable(one(config.LeastSessions, 4, node("eu-1", "eu", "imaps"), spare, drained), State{Health: down(lost...)})
	}
	for _, test := range []struct {
		table *Table
		want  bool
	}{{table(), true}, {table("eu-1"), true}, {table("eu-1", "eu-3"), false}} {
		if got := test.table.Usable("imaps"); got != test.want {
			t.Errorf("Usable with eu-1 %v, eu-3 %v = %v, want %v", test.table.Health(config.Target{Node: "eu-1", Service: "imaps"}).State,
				test.table.Health(config.Target{Node: "eu-3", Service: "imaps"}).State, got, test.want)
		}
	}
	if table().Usable("pop3s") {
		t.Error("Usable of a service that nobody runs")
	}
}

func TestBackendsAreAllThatIsReachable(t *testing.T) {
	hidden, disabled := node("ap-1", "ap", "imaps"), node("eu-2", "eu", "imaps")
	disabled.State = config.Disabled
	far := node("us-1", "us", "imaps", "sieve")
	far.Ports = map[string]uint16{"sieve": 14190}
	top := topology([]*config.Service{service("imaps", "", 4), service("sieve", "", 4)}, []string{"eu", "us", "ap"},
		node("eu-1", "eu", "imaps"), disabled, far, hidden)
	top.Regions[0].FailoverSet = true
	top.Regions[2].Reach = config.ReachNone
	var got []string
	for _, b := range NewTable(top, State{}).Backends() {
		got = append(got, b.Target().Service+"@"+b.Target().Node)
	}
	if want := "imaps@eu-1 imaps@eu-2 imaps@us-1 sieve@us-1"; strings.Join(got, " ") != want {
		t.Errorf("Backends = %v, want %s", got, want)
	}
}

func TestProxyHeader(t *testing.T) {
	top := topology([]*config.Service{service("imaps", "", 9)}, []string{"eu", "us"}, node("eu-1", "eu", "imaps"), node("us-1", "us", "imaps"))
	top.Services[0].Proxy = config.ProxyV1
	top.Regions[1].Reach, top.Regions[1].Addresses = config.ReachBalancers, []netip.Addr{netip.MustParseAddr("192.0.2.10")}
	c := NewTable(top, State{}).Route(request(1))
	for _, want := range []config.ProxyVersion{config.ProxyV1, config.ProxyV2} {
		if b := c.Next(); b.Proxy != want {
			t.Errorf("%s gets PROXY %d, want %d", b.Node.Name, b.Proxy, want)
		}
	}
}
