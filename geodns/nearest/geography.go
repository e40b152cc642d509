// Package nearest knows which regions a client belongs to, nearest first.
//
// Rules are what the topology says of regions: pins, locations, failover. A Place is what a database says of a network.
// New asks the rules once for every network of the database and keeps the answers in a Geography: a table from networks to
// orders of regions in which neighbours of the same order are one network, so that the length that Lookup gives is
// that of the largest network for which an answer is true. A Geography never changes; a Loader makes the next one
// when the database or the topology does.
package nearest

import (
	"net/netip"
	"runtime/debug"
	"slices"

	"github.com/oschwald/maxminddb-golang/v2"

	"posthouse/config"
)

// Geography is the order of regions for every address there is.
type Geography struct {
	rules    *rules
	orders   [][]uint8
	v4, v6   table
	networks int // of the databases
}

// New makes the geography of a topology. Without databases pins by prefix and the order of the file decide. Of two each knows
// another family. They are read to their ends, and not needed afterwards.
func New(t *config.Topology, dbs ...*maxminddb.Reader) (*Geography, error) {
	b := newBuilder(newRules(t))
	for _, db := range dbs {
		if err := b.read(db); err != nil {
			return nil, err
		}
	}
	return b.finish()
}

// load makes the geography of a topology and of the databases in files, of which one at a time is in memory. What is needed on the way
// is a multiple of what stays: the collector does not let the heap grow to twice its size meanwhile, and all is given back.
func load(t *config.Topology, paths []string) (*Geography, error) {
	b := newBuilder(newRules(t))
	defer debug.FreeOSMemory()
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	for _, path := range paths {
		if err := b.readFile(path); err != nil {
			return nil, err
		}
	}
	return b.finish()
}

// Lookup is the number of an address's order, and the length of the largest network around the address in which all
// have that order: of 32 bits for IPv4, of 128 for IPv6. An IPv4 address inside an IPv6 one counts as the IPv4 address.
func (g *Geography) Lookup(a netip.Addr) (order uint16, bits uint8) {
	if a.Is4In6() {
		a = a.Unmap()
	}
	if a.Is4() {
		return g.v4.find(keyOf(a))
	}
	return g.v6.find(keyOf(a))
}

// Order is every region once, as an index of the topology's Regions, nearest first. It is shared and not to be changed.
func (g *Geography) Order(i uint16) []uint8 { return g.orders[i] }

// Orders is how many different orders there are: Lookup gives numbers below it.
func (g *Geography) Orders() int { return len(g.orders) }

// Networks is how many networks the databases had: 0 without one.
func (g *Geography) Networks() int { return g.networks }

// Fits says whether the geography is that of another topology too, read with the same databases: most reloads change
// nodes, and leave regions where they are.
func (g *Geography) Fits(t *config.Topology) bool {
	return slices.EqualFunc(g.rules.regions, t.Regions, sameGeography)
}

func sameGeography(a, b *config.Region) bool {
	sameLocation := a.Location == nil && b.Location == nil ||
		a.Location != nil && b.Location != nil && *a.Location == *b.Location
	return a.Name == b.Name && sameLocation && slices.Equal(a.Continents, b.Continents) && slices.Equal(a.Countries, b.Countries) &&
		slices.Equal(a.Prefixes, b.Prefixes) && slices.Equal(a.Failover, b.Failover) && a.FailoverSet == b.FailoverSet &&
		(len(a.Addresses) > 0) == (len(b.Addresses) > 0)
}
