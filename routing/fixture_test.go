package routing

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthouse/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noLog = slog.New(slog.DiscardHandler)

// service is a live one that every balance and attempts can be tried on.
func service(name string, balance config.Balance, attempts int) *config.Service {
	return &config.Service{
		Name: name, Protocol: config.IMAP, Port: 993, Balance: balance, Attempts: attempts, Live: true,
		Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:993")},
	}
}

// node is one of weight 1 that runs the services; its address follows from its name.
func node(name, region string, services ...string) *config.Node {
	h := hashText(name)
	addr := netip.AddrFrom4([4]byte{10, byte(h), byte(h >> 8), byte(h >> 16)})
	return &config.Node{Name: name, Region: region, Weight: 1, Services: services, Addresses: []netip.Addr{addr}}
}

// nodes is n of them, NAME-1 to NAME-n.
func nodes(n int, name, region string, services ...string) []*config.Node {
	all := make([]*config.Node, n)
	for i := range all {
		all[i] = node(fmt.Sprintf("%s-%d", name, i+1), region, services...)
	}
	return all
}

// topology stands in the first of its regions.
func topology(services []*config.Service, regions []string, nodes ...*config.Node) *config.Topology {
	t := &config.Topology{Cluster: "mail.example.org", Region: regions[0], MinHealthy: 0.5, Services: services, Nodes: nodes}
	for _, name := range regions {
		t.Regions = append(t.Regions, &config.Region{Name: name})
	}
	return t
}

// one is a topology of one region and one service.
func one(balance config.Balance, attempts int, nodes ...*config.Node) *config.Topology {
	return topology([]*config.Service{service("imaps", balance, attempts)}, []string{"eu"}, nodes...)
}

func weighted(nodes []*config.Node, weights ...int) []*config.Node {
	for i, w := range weights {
		nodes[i].Weight = w
	}
	return nodes
}

// down is the health of nodes that run imaps.
func down(names ...string) map[config.Target]config.Health {
	health := make(map[config.Target]config.Health)
	for _, name := range names {
		health[config.Target{Node: name, Service: "imaps"}] = config.Health{State: config.Down}
	}
	return health
}

func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, byte(i >> 16), byte(i >> 8), byte(i)})
}

func request(i int) Request { return Request{Service: "imaps", Client: client(i)} }

// walk is the names of all candidates.
func walk(c Candidates) []string {
	var names []string
	for b := c.Next(); b != nil; b = c.Next() {
		names = append(names, b.Node.Name)
	}
	return names
}

var balances = []config.Balance{config.LeastSessions, config.RoundRobin, config.Random, config.ClientHash, config.AccountHash}

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
