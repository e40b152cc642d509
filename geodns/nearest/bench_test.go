package nearest

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/config"
)

// GEOIP names a database to measure with, or two with a space between; else a small made-up one is.
func benchmarked(b *testing.B) *config.Topology {
	t := world()
	t.DNS = &config.DNS{GeoIP: strings.Fields(os.Getenv("GEOIP"))}
	if len(t.DNS.GeoIP) > 0 {
		return t
	}
	random := rand.New(rand.NewPCG(1, 1))
	networks := make([]network, 10_000)
	for i := range networks {
		networks[i] = network{randomPrefix(random).String(), flat("DE", random.Float64()*180-90, random.Float64()*360-180)}
	}
	path := filepath.Join(b.TempDir(), "city.mmdb")
	if err := os.WriteFile(path, file(b, networks...), 0o600); err != nil {
		b.Fatal(err)
	}
	t.DNS.GeoIP = []string{path}
	return t
}

func BenchmarkLoad(b *testing.B) {
	topology := benchmarked(b)
	for b.Loop() {
		g, err := load(topology, geoip(topology))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(g.Networks()), "networks")
		b.ReportMetric(float64(g.v4.size()+g.v6.size())/(1<<20), "MiB")
	}
}

func (t *table) size() int {
	return 48*len(t.blocks) + 4*(len(t.top)+len(t.kept)+len(t.lists)+len(t.runs.first)+2*len(t.runs.keys)+len(t.deep.first)) + 12*len(t.deep.keys)
}

func BenchmarkLookup(b *testing.B) {
	topology := benchmarked(b)
	g, err := load(topology, geoip(topology))
	if err != nil {
		b.Fatal(err)
	}
	for family, bytes := range map[string]int{"IPv4": 4, "IPv6": 16} {
		clients := make([]netip.Addr, 1<<14)
		random := rand.New(rand.NewPCG(2, 2))
		for i := range clients {
			ip := make([]byte, bytes)
			for j := range ip {
				ip[j] = byte(random.IntN(256))
			}
			if bytes == 16 { // where providers are
				ip[0], ip[1], ip[2] = 0x2a, ip[1]&0xf, ip[2]&0x1f
			}
			clients[i], _ = netip.AddrFromSlice(ip)
		}
		b.Run(family, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				g.Lookup(clients[i&(1<<14-1)])
				i++
			}
		})
	}
}
