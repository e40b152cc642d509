package nearest

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"

	"posthouse/config"
)

// region has an address of its own, or no answer could lead to it.
func region(name string, l *config.Location) *config.Region {
	return &config.Region{Name: name, Location: l, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
}

func at(latitude, longitude float64) *config.Location {
	return &config.Location{Latitude: latitude, Longitude: longitude}
}

// world is five regions on as many continents.
func world() *config.Topology {
	return &config.Topology{Regions: []*config.Region{
		region("eu", at(50.11, 8.68)), region("us", at(39.04, -77.49)), region("ap", at(1.35, 103.82)),
		region("sa", at(-23.55, -46.63)), region("af", at(-26.2, 28.04)),
	}}
}

// pinned is the world with every kind of pin, one inside another, and a region that is nowhere.
func pinned() *config.Topology {
	t := world()
	t.Regions = append(t.Regions, region("nowhere", nil))
	t.Regions[0].Continents = []string{"EU", "AF"}
	t.Regions[1].Countries = []string{"GB", "BR"}
	t.Regions[2].Prefixes = prefixes("16.0.0.0/5", "2a00::/12")
	t.Regions[3].Prefixes = prefixes("18.0.0.0/9", "18.128.7.0/24", "2a02:1000::/20")
	t.Regions[4].Prefixes = prefixes("18.128.7.9/32", "2a02:1000::1/128", "255.255.255.255/32")
	t.Regions[5].Prefixes = prefixes("0.0.0.0/8")
	return t
}

func prefixes(words ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(words))
	for i, w := range words {
		all[i] = netip.MustParsePrefix(w)
	}
	return all
}

// network is one of a database that a test writes.
type network struct {
	prefix string
	record mmdbtype.DataType
}

func database(t testing.TB, networks ...network) *maxminddb.Reader {
	t.Helper()
	db, err := maxminddb.OpenBytes(file(t, networks...))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func file(t testing.TB, networks ...network) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "city", RecordSize: 28, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		_, prefix, err := net.ParseCIDR(n.prefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(prefix, n.record); err != nil {
			t.Fatal(n.prefix, err)
		}
	}
	var buf bytes.Buffer
	if _, err := tree.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func flat(country string, latitude, longitude float64) mmdbtype.Map {
	return mmdbtype.Map{
		"country_code": mmdbtype.String(country), "latitude": mmdbtype.Float32(latitude), "longitude": mmdbtype.Float32(longitude),
		"city": mmdbtype.String("somewhere"),
	}
}

// scattered is a database of random networks, one inside another, of every schema and with gaps.
func scattered(t testing.TB, n int, random *rand.Rand) *maxminddb.Reader {
	var all []network
	codes := []string{"DE", "GB", "BR", "ZA", "US", "SG", "AU", "NG", "FR", "ZZ"}
	for range n {
		code := codes[random.IntN(len(codes))]
		record := flat(code, random.Float64()*180-90, random.Float64()*360-180)
		switch random.IntN(4) {
		case 0:
			record = mmdbtype.Map{"country_code": mmdbtype.String(code)}
		case 1:
			record = mmdbtype.Map{
				"country":  mmdbtype.Map{"iso_code": mmdbtype.String(code)},
				"location": mmdbtype.Map{"latitude": record["latitude"], "longitude": record["longitude"]},
			}
		}
		all = append(all, network{randomPrefix(random).String(), record})
	}
	return database(t, all...)
}

func randomPrefix(random *rand.Rand) netip.Prefix {
	a := randomAddr(random)
	if a.Is4() {
		return netip.PrefixFrom(a, 3+random.IntN(30)).Masked()
	}
	return netip.PrefixFrom(a, 12+random.IntN(117)).Masked()
}

// randomAddr is crowded: a third of all is near the pins, and IPv6 addresses differ in few of their bits.
func randomAddr(random *rand.Rand) netip.Addr {
	if random.IntN(2) == 0 {
		ip := [4]byte{byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))}
		if random.IntN(3) == 0 {
			ip[0], ip[1], ip[2] = 18, 128, byte(7+random.IntN(2))
		}
		return netip.AddrFrom4(ip)
	}
	var ip [16]byte
	ip[0], ip[1] = 0x2a, byte(random.IntN(4))
	for i := 2; i < 16; i++ {
		if random.IntN(3) == 0 {
			ip[i] = byte(1 << random.IntN(8))
		}
	}
	return netip.AddrFrom16(ip)
}
