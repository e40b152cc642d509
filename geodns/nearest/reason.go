package nearest

import (
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Rule is what put a region first for a client.
type Rule string

// The rules, the strongest first.
const (
	ByPrefix    Rule = "prefix"
	ByCountry   Rule = "country"
	ByContinent Rule = "continent"
	ByDistance  Rule = "distance"
	ByFile      Rule = "file order"
	ByDatabase  Rule = "geoip" // one of the three that need the database, which is not at hand
)

// Reason is why a client's regions come in the order in which they come.
type Reason struct {
	Rule       Rule
	Pin        string       // the prefix, country or continent; "" with the other rules
	Order      []uint8      // all regions, as indexes of the topology's
	Scope      netip.Prefix // the largest network around the client with this order
	Place      Place        // what a database says of the client
	Network    netip.Prefix // of the database's record; zero: there is none
	Kilometres []float64    // by region, from Place; -1 where either is not known
}

// Explain says why. The databases are those that the geography was made of; where they are not at hand any more, only pins by prefix are
// told from the other rules. It is slower than Lookup by far.
func (g *Geography) Explain(a netip.Addr, dbs ...*maxminddb.Reader) (r Reason, err error) {
	a = a.Unmap().WithZone("")
	order, bits := g.Lookup(a)
	if r.Place, r.Network, err = placeIn(dbs, a); err != nil {
		return Reason{}, err
	}
	r.Order, r.Scope = g.Order(order), netip.PrefixFrom(a, int(bits)).Masked()
	r.Rule, r.Pin = g.rules.first(a, r.Place)
	if len(dbs) == 0 && g.networks > 0 && r.Rule == ByFile {
		r.Rule = ByDatabase
	}
	r.Kilometres = g.rules.kilometres(r.Place)
	return r, nil
}

// placeIn is what the first database says that knows an address.
func placeIn(dbs []*maxminddb.Reader, a netip.Addr) (Place, netip.Prefix, error) {
	for _, db := range dbs {
		if a.Is6() && db.Metadata.IPVersion == 4 {
			continue
		}
		if n := db.Lookup(a); n.Found() {
			place, err := placeOf(n)
			return place, n.Prefix(), err
		}
	}
	return Place{}, netip.Prefix{}, nil
}

// first is the strongest rule that knows a region.
func (r *rules) first(a netip.Addr, at Place) (rule Rule, pin string) {
	if p, pinned := r.pinOf(a); pinned {
		return ByPrefix, p.prefix.String()
	}
	if _, pinned := r.countries[at.Country]; pinned {
		return ByCountry, at.Country
	}
	if _, pinned := r.continents[at.Continent]; pinned {
		return ByContinent, at.Continent
	}
	if at.Located && len(r.located) > 0 {
		return ByDistance, ""
	}
	return ByFile, ""
}

func (r *rules) kilometres(from Place) []float64 {
	here, all := pointOf(from.Location), make([]float64, len(r.points))
	for i, p := range r.points {
		all[i] = -1
		if from.Located && r.regions[i].Location != nil {
			all[i] = here.kilometres(p)
		}
	}
	return all
}
