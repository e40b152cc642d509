package main

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"posthouse/config"
	"posthouse/routing"
)

// promise is what a shape of cluster says about some services for the clients of a region.
type promise struct {
	region   string // "" is the only one
	services string
	nodes    string // who serves them: "NAME- COUNT" or "NAME- COUNTxWEIGHT", what names begin with; "" = nobody
	then     string // regions that serve them when those before have gone
}

// shape is one of examples/*.yaml with 1,024 nodes.
type shape struct {
	name     string
	promises []promise
}

const (
	mailServices = "smtp submissions imaps pop3s sieve"
	webServices  = "jmap webdav http"
)

var shapes = []shape{
	{"unified", []promise{
		{"", mailServices + " " + webServices, "node- 1024", ""},
	}},
	{"dedicated", []promise{
		{"", "smtp submissions", "smtp- 256", ""},
		{"", "imaps pop3s sieve", "imap- 384", ""},
		{"", "jmap http", "jmap- 256", ""},
		{"", "webdav", "webdav- 128", ""},
	}},
	{"weighted", []promise{
		{"", "imaps pop3s sieve", "imap- 510", ""}, // of 512 one is drained and one has weight 0
		{"", "smtp submissions", "smtp- 256", ""},
		{"", "jmap http", "jmap- 192", ""},
		{"", "webdav", "webdav- 64", ""},
	}},
	{"paired", []promise{
		{"", "imaps pop3s sieve jmap http", "mailbox- 410", ""},
		{"", "webdav", "files- 205", ""},
		{"", "smtp submissions", "transport- 409", ""},
	}},
	{"geographic-by-demand", []promise{
		{"eu", "smtp submissions", "eu-smtp- 96", "us apac"},
		{"eu", "imaps pop3s sieve", "eu-imap- 192", "us apac"},
		{"eu", webServices, "eu-web- 96", "us apac"},
		{"us", "smtp submissions", "us-smtp- 112", "eu apac"},
		{"us", "imaps pop3s sieve", "us-imap- 224", "eu apac"},
		{"us", webServices, "us-web- 112", "eu apac"},
		{"apac", "smtp submissions", "apac-smtp- 48", "eu us"},
		{"apac", "imaps pop3s sieve", "apac-imap- 96", "eu us"},
		{"apac", webServices, "apac-web- 48", "eu us"},
	}},
	{"geographic-by-function", []promise{
		{"a", "imaps pop3s sieve", "a-imap- 256", "b"},
		{"a", "smtp", "a-mx- 128", "c"},
		{"a", "submissions", "b-submit- 112", "c"},
		{"a", "jmap", "b-jmap- 112", "c"},
		{"a", "webdav", "c-dav- 64", ""},
		{"a", "http", "b-jmap- 112", "c"},
		{"b", "imaps pop3s sieve", "b-imap- 224", "a"},
		{"b", "smtp", "a-mx- 128", "c"},
		{"b", "submissions", "b-submit- 112", "c"},
		{"b", "jmap", "b-jmap- 112", "c"},
		{"b", "webdav", "c-dav- 64", ""},
		{"b", "http", "b-jmap- 112", "c"},
		{"c", "imaps pop3s sieve", "b-imap- 224", "a"},
		{"c", "smtp", "c-smtp- 64", "a"},
		{"c", "submissions", "c-smtp- 64", "b"},
		{"c", "jmap", "c-jmap- 64", "b"},
		{"c", "webdav", "c-dav- 64", ""},
		{"c", "http", "c-dav- 64, c-jmap- 64", "b"},
	}},
	{"mixed", []promise{
		{"eu", "smtp submissions", "eu-smtp- 128", "us"},
		{"eu", "submission", "eu-smtp- 128", ""},
		{"eu", "imaps pop3s sieve", "eu-imap- 319, eu-imap-big- 15x4", "us"}, // one of 320 is drained
		{"eu", webServices, "eu-web- 112", "us"},
		{"eu", "archive", "eu-archive- 1", ""},
		{"us", "smtp submissions pop3s sieve " + webServices, "us- 384", "eu"},
		{"us", "imaps", "us- 383", "eu"}, // one has weight 0 for it
		{"us", "submission", "eu-smtp- 128", ""},
		{"us", "archive", "eu-archive- 1", ""},
		{"ch", "smtp submissions imaps sieve " + webServices, "ch- 64", ""}, // its data stays there
		{"ch", "submission pop3s archive", "", ""},
	}},
}

// expected is a group of nodes that serve together.
type expected struct {
	prefix        string
	count, weight int
}

func (p promise) expects(t *testing.T) []expected {
	t.Helper()
	var all []expected
	for group := range strings.SplitSeq(p.nodes, ", ") {
		prefix, size, _ := strings.Cut(group, " ")
		size, weight, _ := strings.Cut(size, "x")
		e := expected{prefix: prefix, weight: 1}
		var err error
		if e.count, err = strconv.Atoi(size); err != nil {
			t.Fatal(err)
		}
		if weight != "" {
			e.weight, err = strconv.Atoi(weight)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// groupOf is the group of a node: the longest prefix counts. -1 if it is in none.
func groupOf(groups []expected, node string) int {
	best := -1
	for i, g := range groups {
		if strings.HasPrefix(node, g.prefix) && (best < 0 || len(g.prefix) > len(groups[best].prefix)) {
			best = i
		}
	}
	return best
}

// table is the shape as a balancer of the region sees it, without the nodes of some regions.
func (s shape) table(t *testing.T, region string, down ...string) *routing.Table {
	t.Helper()
	topology, err := config.Load("../../examples/"+s.name+".yaml", config.Options{Region: region})
	if err != nil {
		t.Fatal(err)
	}
	if len(topology.Nodes) != 1024 {
		t.Errorf("%d nodes, want 1024", len(topology.Nodes))
	}
	state := routing.State{Addresses: make(map[string][]netip.Addr), Health: make(map[config.Target]config.Health)}
	for _, n := range topology.Nodes {
		if n.Host != "" {
			state.Addresses[n.Name] = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
		}
		if slices.Contains(down, n.Region) {
			for _, service := range n.Services {
				state.Health[config.Target{Node: n.Name, Service: service}] = config.Health{State: config.Down}
			}
		}
	}
	return routing.NewTable(topology, state)
}

const routings = 100_000

var shapeClient = netip.MustParseAddr("203.0.113.9")

// TestShapesRoute: 100,000 choices for each service go to the nodes that the shape promises, each by its weight.
func TestShapesRoute(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range s.promises {
				table := s.table(t, p.region)
				for service := range strings.FieldsSeq(p.services) {
					if p.nodes == "" {
						promisesNobody(t, table, p, service)
					} else {
						promisesShares(t, table, p, service)
					}
				}
			}
		})
	}
}

func promisesNobody(t *testing.T, table *routing.Table, p promise, service string) {
	t.Helper()
	c := table.Route(routing.Request{Service: service, Client: shapeClient})
	if b := c.Next(); b != nil {
		t.Errorf("%s in %q went to %s, want nobody", service, p.region, b.Node.Name)
	}
}

func promisesShares(t *testing.T, table *routing.Table, p promise, service string) {
	t.Helper()
	got := make(map[string]int)
	for range routings {
		c := table.Route(routing.Request{Service: service, Client: shapeClient})
		got[c.Next().Node.Name]++
	}
	groups, total := p.expects(t), 0
	for _, g := range groups {
		total += g.count * g.weight
	}
	nodes := make([]int, len(groups))
	for node, n := range got {
		i := groupOf(groups, node)
		if i < 0 {
			t.Errorf("%s in %q: %d of %d to %s, want %s", service, p.region, n, routings, node, p.nodes)
			continue
		}
		nodes[i]++
		want := float64(routings*groups[i].weight) / float64(total)
		if math.Abs(float64(n)-want) > 6*math.Sqrt(want) { // standard deviations
			t.Errorf("%s in %q: %d to %s, want about %.0f", service, p.region, n, node, want)
		}
	}
	for i, g := range groups {
		if nodes[i] != g.count {
			t.Errorf("%s in %q: %d nodes %s* serve, want %d", service, p.region, nodes[i], g.prefix, g.count)
		}
	}
}

// TestShapesFailOver: when the region that serves has gone the next one serves, until those of the failover are used up.
func TestShapesFailOver(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range s.promises {
				for service := range strings.FieldsSeq(p.services) {
					if p.nodes != "" {
						promisesOrder(t, s, p, service)
					}
				}
			}
		})
	}
}

func promisesOrder(t *testing.T, s shape, p promise, service string) {
	t.Helper()
	var order []string
	for {
		c := s.table(t, p.region, order...).Route(routing.Request{Service: service, Client: shapeClient})
		b := c.Next()
		if slices.Contains(order, b.Node.Region) { // all are down: the checks may be wrong
			break
		}
		order = append(order, b.Node.Region)
	}
	if got := fmt.Sprint(order[1:]); got != fmt.Sprint(strings.Fields(p.then)) {
		t.Errorf("%s of %q: after %s come %s, want [%s]", service, p.region, order[0], got, p.then)
	}
}
