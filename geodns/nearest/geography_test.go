package nearest

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/oschwald/maxminddb-golang/v2"

	"posthouse/config"
)

// TestOrderEqualsBruteForce compares the table with the rules of docs/topology.md, written down once more and as slow
// as they are simple: for every address all prefixes, the record of the database and the haversine of every region.
func TestOrderEqualsBruteForce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	compare(t, scattered(t, 3000, random), random)
}

// TestRealDatabase is the same with the database that GEOIP names: bench/dns fetches some.
func TestRealDatabase(t *testing.T) {
	path := os.Getenv("GEOIP")
	if path == "" {
		t.Skip("GEOIP names no database")
	}
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	random := rand.New(rand.NewPCG(9, 10))
	compare(t, db.Reader, random)
	g, err := New(world(), db.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		checkScope(t, g, randomAddr(random), random)
	}
}

// compare looks at 100,000 random addresses for each of three topologies.
func compare(t *testing.T, db *maxminddb.Reader, random *rand.Rand) {
	t.Helper()
	for name, topology := range map[string]*config.Topology{"distance": world(), "pins": pinned(), "failover": withFailover()} {
		g, err := New(topology, db)
		if err != nil {
			t.Fatal(err)
		}
		for range 100_000 {
			a := randomAddr(random)
			order, _ := g.Lookup(a)
			if got, want := names(topology, g.Order(order)), bruteForce(topology, db, a); !slices.Equal(got, want) {
				t.Fatalf("%s: order of %s = %v, want %v", name, a, got, want)
			}
		}
	}
}

func withFailover() *config.Topology {
	t := pinned()
	t.Regions[0].Failover, t.Regions[0].FailoverSet = []string{"sa", "us"}, true
	t.Regions[2].Failover, t.Regions[2].FailoverSet = nil, true
	t.Regions[3].Addresses = nil
	return t
}

func names(t *config.Topology, order []uint8) []string {
	all := make([]string, len(order))
	for i, region := range order {
		all[i] = t.Regions[region].Name
	}
	return all
}

func bruteForce(t *config.Topology, db *maxminddb.Reader, a netip.Addr) []string {
	var record struct {
		Code      string   `maxminddb:"country_code"`
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
		Country   struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
		Location struct {
			Latitude  *float64 `maxminddb:"latitude"`
			Longitude *float64 `maxminddb:"longitude"`
		} `maxminddb:"location"`
	}
	if a.Is4() || db.Metadata.IPVersion == 6 {
		if err := db.Lookup(a).Decode(&record); err != nil {
			panic(err)
		}
	}
	code := cmp.Or(record.Code, record.Country.Code)
	var here *config.Location
	switch {
	case record.Latitude != nil:
		here = at(*record.Latitude, *record.Longitude)
	case record.Location.Latitude != nil:
		here = at(*record.Location.Latitude, *record.Location.Longitude)
	case countries[code].continent != "":
		here = at(countries[code].latitude, countries[code].longitude)
	}

	var order []string
	bits := -1
	for _, r := range t.Regions {
		for _, p := range r.Prefixes {
			if p.Contains(a) && p.Bits() > bits && len(r.Addresses) > 0 {
				order, bits = []string{r.Name}, p.Bits()
			}
		}
	}
	add := func(r *config.Region) {
		if len(r.Addresses) > 0 && len(order) < 3 && !slices.Contains(order, r.Name) {
			order = append(order, r.Name)
		}
	}
	for _, r := range t.Regions {
		if slices.Contains(r.Countries, code) {
			add(r)
		}
	}
	for _, r := range t.Regions {
		if slices.Contains(r.Continents, countries[code].continent) {
			add(r)
		}
	}
	sorted := slices.Clone(t.Regions)
	slices.SortStableFunc(sorted, func(a, b *config.Region) int {
		return cmp.Compare(haversine(here, a.Location), haversine(here, b.Location))
	})
	for _, r := range sorted {
		if here != nil && r.Location != nil {
			add(r)
		}
	}
	file := slices.Clone(t.Regions)
	slices.SortStableFunc(file, func(a, b *config.Region) int {
		return cmp.Compare(min(1, len(b.Addresses)), min(1, len(a.Addresses)))
	})
	for _, r := range file {
		if !slices.Contains(order, r.Name) {
			order = append(order, r.Name)
		}
	}
	if first := t.RegionNamed(order[0]); first.FailoverSet {
		order = append(order[:1:1], first.Failover...)
		for _, r := range file {
			if !slices.Contains(order, r.Name) {
				order = append(order, r.Name)
			}
		}
	}
	return order
}

func haversine(a, b *config.Location) float64 {
	if a == nil || b == nil {
		return math.Inf(1)
	}
	rad := func(degrees float64) float64 { return degrees * math.Pi / 180 }
	north, east := math.Sin(rad(b.Latitude-a.Latitude)/2), math.Sin(rad(b.Longitude-a.Longitude)/2)
	return math.Asin(math.Sqrt(north*north + math.Cos(rad(a.Latitude))*math.Cos(rad(b.Latitude))*east*east))
}

// TestScopeHoldsOneOrder looks into the networks that Lookup claims: all addresses in them have the order, and the
// network that is one bit larger has an address of another one.
func TestScopeHoldsOneOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	db := scattered(t, 3000, random)
	for _, topology := range []*config.Topology{pinned(), withFailover()} {
		g, err := New(topology, db)
		if err != nil {
			t.Fatal(err)
		}
		for range 3000 {
			checkScope(t, g, randomAddr(random), random)
		}
	}
}

func checkScope(t *testing.T, g *Geography, a netip.Addr, random *rand.Rand) {
	order, bits := g.Lookup(a)
	scope := netip.PrefixFrom(a, int(bits)).Masked()
	if !scope.IsValid() {
		t.Fatalf("scope of %s has %d bits", a, bits)
	}
	inside := []netip.Addr{scope.Addr(), lastOf(scope)}
	for range 30 {
		inside = append(inside, within(scope, random))
	}
	for _, b := range inside {
		if other, n := g.Lookup(b); other != order || n != bits {
			t.Fatalf("%s is in %s with order %d, %s in there has order %d and %d bits", a, scope, order, b, other, n)
		}
	}
	if bits == 0 {
		return
	}
	sibling := lastOf(netip.PrefixFrom(a, int(bits)-1).Masked())
	if sibling == lastOf(scope) {
		sibling = scope.Addr().Prev()
	}
	sibling = netip.PrefixFrom(sibling, int(bits)).Masked().Addr()
	if other, n := g.Lookup(sibling); other == order && n == bits {
		t.Fatalf("%s and the network of %s have the same order and are not joined", scope, sibling)
	}
}

func within(p netip.Prefix, random *rand.Rand) netip.Addr {
	ip := p.Addr().AsSlice()
	for i := p.Bits(); i < len(ip)*8; i++ {
		if random.IntN(2) == 1 {
			ip[i/8] |= 0x80 >> (i % 8)
		}
	}
	a, _ := netip.AddrFromSlice(ip)
	return a
}

func lastOf(p netip.Prefix) netip.Addr {
	ip := p.Addr().AsSlice()
	for i := p.Bits(); i < len(ip)*8; i++ {
		ip[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(ip)
	return a
}

func TestWithoutDatabase(t *testing.T) {
	g, err := New(pinned())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		client, first string
		bits          uint8
	}{
		{"17.1.2.3", "ap", 7},          // 16.0.0.0/5 without 18.0.0.0/9
		{"18.1.2.3", "sa", 9},          // the prefix
		{"18.128.7.9", "af", 32},       // inside of one inside of one
		{"18.128.7.8", "sa", 32},       // its neighbour
		{"255.255.255.255", "af", 32},  // the last there is
		{"0.1.2.3", "nowhere", 8},      // the first
		{"1.1.1.1", "eu", 8},           // no pin: the order of the file
		{"::ffff:18.1.2.3", "sa", 9},   // mapped
		{"2a02:1000::1", "af", 128},    //
		{"2a02:1000::2", "sa", 127},    //
		{"2a02:1fff::", "sa", 21},      //
		{"2001:db8::", "eu", 5},        //
		{"::", "eu", 3},                // nothing but the pins in 2000::/3
		{"2a0f:ffff::ffff", "ap", 13},  //
		{"ffff:ffff::ffff", "eu", 1},   // the upper half
		{"fe80::1%eth0", "eu", 1},      // a zone changes nothing
		{"18.128.7.255", "sa", 25},     //
		{"23.255.255.255", "ap", 6},    //
		{"24.0.0.0", "eu", 5},          //
		{"15.255.255.255", "eu", 5},    //
		{"254.255.255.255", "eu", 8},   //
		{"255.255.255.254", "eu", 32},  //
		{"255.255.255.252", "eu", 31},  //
		{"128.0.0.0", "eu", 2},         //
		{"2a10::", "eu", 12},           //
		{"29ff:ffff:ffff::", "eu", 7},  //
		{"2a02:1000::3:0:0", "sa", 95}, //
	} {
		order, bits := g.Lookup(netip.MustParseAddr(test.client))
		if first := names(pinned(), g.Order(order))[0]; first != test.first || bits != test.bits {
			t.Errorf("Lookup(%s) = %s with %d bits, want %s with %d", test.client, first, bits, test.first, test.bits)
		}
	}
}

func TestFits(t *testing.T) {
	g, err := New(pinned())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*config.Region){
		"":          func(r *config.Region) { r.State, r.Addresses = config.Drain, append(r.Addresses, r.Addresses...) },
		"name":      func(r *config.Region) { r.Name = "other" },
		"location":  func(r *config.Region) { r.Location = at(0, 1) },
		"nowhere":   func(r *config.Region) { r.Location = nil },
		"continent": func(r *config.Region) { r.Continents = []string{"AN"} },
		"country":   func(r *config.Region) { r.Countries = []string{"AQ"} },
		"prefix":    func(r *config.Region) { r.Prefixes = prefixes("203.0.113.0/24") },
		"failover":  func(r *config.Region) { r.FailoverSet = true },
		"addresses": func(r *config.Region) { r.Addresses = nil },
	} {
		other := pinned()
		change(other.Regions[0])
		if got := g.Fits(other); got != (name == "") {
			t.Errorf("with another %s Fits = %v", name, got)
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	g, err := New(pinned(), scattered(t, 1000, random))
	if err != nil {
		t.Fatal(err)
	}
	a, b := netip.MustParseAddr("18.128.7.9"), netip.MustParseAddr("2a02:1000::1")
	if n := testing.AllocsPerRun(100, func() { g.Lookup(a); g.Lookup(b) }); n != 0 {
		t.Errorf("a lookup allocates %v times, want never", n)
	}
}
