package routing

import (
	"math"
	"net/netip"
	"slices"
	"testing"

	"posthouse/config"
)

// These figures are the contract between balancers of different versions. A change of one of them is a change of the
// node that nearly every client is sent to.
func TestHashesNeverChange(t *testing.T) {
	tests := []struct {
		name      string
		got, want uint64
	}{
		{"mix(1)", mix(1), 0x5692161d100b05e5},
		{"mix(1<<63)", mix(1 << 63), 0x25c26ea579cea98a},
		{"text empty", hashText(""), 0xf52a15e9a9b5e89b},
		{"text node-1", hashText("node-1"), 0x13950d4ef307e655},
		{"account", hashAccount("Alice@Example.ORG"), 0x37a0322d348ccc9c},
		{"IPv4", hashClient(netip.MustParseAddr("192.0.2.1")), 0x1ad9f79f750af5b2},
		{"IPv6", hashClient(netip.MustParseAddr("2001:db8:1:2:3:4:5:6")), 0xd697c31e6ae9bfd1},
		{"claim", mix(hashClient(netip.MustParseAddr("192.0.2.1")) ^ hashText("node-1")), 0xb6335406d6ecc889},
		{"lot", mix(hashClient(netip.MustParseAddr("192.0.2.1")) ^ shareSeed), 0x76e4b608c15fd015},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%s = %#x, want %#x", test.name, test.got, test.want)
		}
	}
}

func TestClientsNeverMove(t *testing.T) {
	table := NewTable(one(config.ClientHash, 3, weighted(nodes(8, "node", "eu", "imaps"), 1, 2, 4)...), State{})
	tests := []struct {
		client string
		want   []string
	}{
		{"192.0.2.1", []string{"node-4", "node-3", "node-1"}},
		{"192.0.2.2", []string{"node-5", "node-3", "node-7"}},
		{"198.51.100.77", []string{"node-3", "node-4", "node-2"}},
		{"2001:db8::1", []string{"node-3", "node-2", "node-8"}},
		{"2001:db8:0:1::1", []string{"node-7", "node-5", "node-3"}},
	}
	for _, test := range tests {
		got := walk(table.Route(Request{Service: "imaps", Client: netip.MustParseAddr(test.client)}))
		if !slices.Equal(got, test.want) {
			t.Errorf("Route(%s) = %q, want %q", test.client, got, test.want)
		}
	}
}

func TestWhatIsOneClient(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	}
	for _, test := range tests {
		if got := hashClient(netip.MustParseAddr(test.a)) == hashClient(netip.MustParseAddr(test.b)); got != test.same {
			t.Errorf("%s and %s are one client: %v, want %v", test.a, test.b, got, test.same)
		}
	}
	hashClient(netip.Addr{}) // an unknown client is one too
}

func TestAccountHash(t *testing.T) {
	table := NewTable(one(config.AccountHash, 1, nodes(64, "node", "eu", "imaps")...), State{})
	first := func(client int, account string) string {
		q := request(client)
		q.Account = account
		return walk(table.Route(q))[0]
	}
	if a, b := first(1, "alice@example.org"), first(2, "Alice@Example.org"); a != b {
		t.Errorf("alice is sent to %s from one place and to %s from another", a, b)
	}
	if a, b := first(1, ""), first(2, ""); a == b {
		t.Errorf("clients without an account are all sent to %s", a)
	}
}

// owners is which node each client has.
func owners(table *Table, clients int) []string {
	got := make([]string, clients)
	for i := range got {
		c := table.Route(request(i))
		got[i] = c.Next().Node.Name
	}
	return got
}

func TestRemovingMovesItsOwnOnly(t *testing.T) {
	for _, n := range []int{2, 3, 8, 64} {
		all := weighted(nodes(n, "node", "eu", "imaps"), 1, 2)
		before := owners(NewTable(one(config.ClientHash, 4, all...), State{}), 20000)
		for _, gone := range []int{0, 1, n - 1} {
			left := slices.Concat(all[:gone:gone], all[gone+1:])
			ways := map[string][]string{
				"removed": owners(NewTable(one(config.ClientHash, 4, left...), State{}), 20000),
				"down":    owners(NewTable(one(config.ClientHash, 4, all...), State{Health: down(all[gone].Name)}), 20000),
			}
			for way, after := range ways {
				for i := range before {
					if before[i] != all[gone].Name && after[i] != before[i] {
						t.Fatalf("%d nodes, %s %s: client %d moved from %s to %s", n, all[gone].Name, way, i, before[i], after[i])
					}
				}
			}
		}
	}
}

func TestAddingMovesFew(t *testing.T) {
	for _, n := range []int{1, 2, 8, 63, 255} {
		const clients = 200_000
		all := nodes(n+1, "node", "eu", "imaps")
		before := owners(NewTable(one(config.ClientHash, 4, all[:n]...), State{}), clients)
		after := owners(NewTable(one(config.ClientHash, 4, all...), State{}), clients)
		moved := 0
		for i := range before {
			if before[i] == after[i] {
				continue
			}
			if moved++; after[i] != all[n].Name {
				t.Fatalf("%d nodes and one more: client %d moved from %s to %s", n, i, before[i], after[i])
			}
		}
		if most := 1.15 / float64(n+1); float64(moved)/clients > most {
			t.Errorf("%d nodes and one more: %.4f of the clients moved, want at most %.4f", n, float64(moved)/clients, most)
		}
	}
}

// The order of the file, other services and other regions do not matter to where a client goes.
func TestBalancersAgree(t *testing.T) {
	all := weighted(nodes(16, "node", "eu", "imaps", "jmap"), 1, 2, 4, 8)
	reversed := slices.Clone(all)
	slices.Reverse(reversed)
	here := NewTable(one(config.ClientHash, 4, all...), State{})
	there := NewTable(topology([]*config.Service{service("jmap", config.ClientHash, 4), service("imaps", config.ClientHash, 4)},
		[]string{"eu", "us"}, append(reversed, node("us-1", "us", "imaps"))...), State{})
	for i := range 1000 {
		q := request(i)
		want, got := walk(here.Route(q)), walk(there.Route(q))
		q.Service = "jmap"
		if other := walk(there.Route(q)); !slices.Equal(got, want) || !slices.Equal(other, want) {
			t.Fatalf("client %d: %v here, %v there, %v by jmap", i, want, got, other)
		}
	}
}

// A claim below leastClaim could not have won.
func TestLeastClaimIsABound(t *testing.T) {
	for i := range uint64(100_000) {
		claim := mix(i)
		if i%3 == 0 {
			claim |= math.MaxUint64 << (i % 64) // near 1, where it is close
		}
		weight := 1 + i%7
		s := score(weight, claim)
		if !(s > 0) || math.IsInf(s, 1) {
			t.Fatalf("score(%d, %#x) = %v", weight, claim, s)
		}
		if least := leastClaim(weight, 1/(s*(1-1e-12))); claim < least {
			t.Fatalf("leastClaim(%d, below the score of %#x) = %#x", weight, claim, least)
		}
	}
}
