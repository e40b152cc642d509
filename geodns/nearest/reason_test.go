package nearest

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestExplain(t *testing.T) {
	topology := pinned()
	db := database(t,
		network{"192.0.2.0/24", flat("DE", 52.5, 13.5)}, network{"198.51.100.0/24", flat("GB", 51.5, 0)},
		network{"203.0.113.0/24", flat("JP", 35.7, 139.7)}, network{"18.0.0.0/8", flat("US", 40, -80)},
	)
	g, err := New(topology, db)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		client  string
		rule    Rule
		pin     string
		first   string
		network string
	}{
		{"192.0.2.1", ByContinent, "EU", "eu", "192.0.2.0/24"},
		{"198.51.100.1", ByCountry, "GB", "us", "198.51.100.0/24"},
		{"203.0.113.1", ByDistance, "", "ap", "203.0.113.0/24"},
		{"18.128.7.9", ByPrefix, "18.128.7.9/32", "af", "18.0.0.0/8"},
		{"::ffff:18.0.0.1", ByPrefix, "18.0.0.0/9", "sa", "18.0.0.0/8"},
		{"100.0.0.1", ByFile, "", "eu", "invalid Prefix"},
		{"2001:db8::1", ByFile, "", "eu", "invalid Prefix"},
	} {
		a := netip.MustParseAddr(test.client)
		r, err := g.Explain(a, db)
		if err != nil {
			t.Fatal(err)
		}
		first := topology.Regions[r.Order[0]].Name
		if r.Rule != test.rule || r.Pin != test.pin || first != test.first || r.Network.String() != test.network || !r.Scope.Contains(a.Unmap()) {
			t.Errorf("Explain(%s) = %s %q: %s in %s, scope %s; want %s %q: %s in %s",
				a, r.Rule, r.Pin, first, r.Network, r.Scope, test.rule, test.pin, test.first, test.network)
		}
	}
	for client, want := range map[string]Rule{"18.0.0.1": ByPrefix, "192.0.2.1": ByDatabase, "100.0.0.1": ByDatabase} {
		if r, err := g.Explain(netip.MustParseAddr(client)); err != nil || r.Rule != want || r.Network.IsValid() {
			t.Errorf("Explain(%s) without the database = %s in %s, %v; want %s", client, r.Rule, r.Network, err, want)
		}
	}
	r, err := g.Explain(netip.MustParseAddr("192.0.2.1"), db)
	if err != nil || math.Abs(r.Kilometres[0]-432) > 5 || r.Kilometres[5] != -1 {
		t.Errorf("from Berlin it is %.0f km (%v), want 432 to the first and -1 to the last, which is nowhere", r.Kilometres, err)
	}
}

// TestRuleNamesFirst holds the rule that is told against the order that is answered.
func TestRuleNamesFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	db, topology := scattered(t, 1000, random), pinned()
	g, err := New(topology, db)
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		a := randomAddr(random)
		r, err := g.Explain(a, db)
		if err != nil {
			t.Fatal(err)
		}
		first, nearest := r.Order[0], r.Order[0]
		for i, far := range r.Kilometres {
			if far >= 0 && far < r.Kilometres[nearest] {
				nearest = uint8(i)
			}
		}
		switch {
		case r.Rule == ByDistance && nearest != first:
			t.Fatalf("%s: by distance, but %v are the ways and %d is first", a, r.Kilometres, first)
		case r.Rule == ByFile && first != 0:
			t.Fatalf("%s: by the file, but %d is first", a, first)
		}
	}
}
