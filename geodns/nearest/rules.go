package nearest

import (
	"cmp"
	"math"
	"net/netip"
	"slices"

	"posthouse/config"
)

// rules is what the topology says of who is near.
type rules struct {
	regions    []*config.Region
	file       []uint8  // the order of the file, but that regions without addresses to answer with come last
	points     []vector // by region
	located    []uint8  // the regions that have a location and addresses, in the order of the file
	countries  map[string]int
	continents map[string]int
	pins       []pin // the longest first
}

// pin is a prefix whose addresses belong to a region.
type pin struct {
	prefix netip.Prefix
	region int
}

func newRules(t *config.Topology) *rules {
	r := &rules{regions: t.Regions, countries: make(map[string]int), continents: make(map[string]int)}
	for i, region := range t.Regions {
		r.points = append(r.points, vector{})
		if region.Location != nil {
			r.points[i] = pointOf(*region.Location)
		}
		if len(region.Addresses) > 0 {
			r.file = append(r.file, uint8(i))
			r.takePins(i, region)
			if region.Location != nil {
				r.located = append(r.located, uint8(i))
			}
		}
	}
	for i, region := range t.Regions {
		if len(region.Addresses) == 0 {
			r.file = append(r.file, uint8(i))
		}
	}
	slices.SortStableFunc(r.pins, func(a, b pin) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	return r
}

func (r *rules) takePins(i int, region *config.Region) {
	for _, code := range region.Countries {
		r.countries[code] = i
	}
	for _, code := range region.Continents {
		r.continents[code] = i
	}
	for _, p := range region.Prefixes {
		r.pins = append(r.pins, pin{p, i})
	}
}

// kept is how many regions of an order are those that are nearest; the others follow in the order of the file, because
// a fourth choice is not worth the networks that it would divide.
const kept = 3

// order appends all regions for addresses at a place that are pinned to a region or (-1) to none: first the one that the
// strongest rule knows, then its failover, by default the next by the same rules.
func (r *rules) order(order []uint8, pin int, at Place) []uint8 {
	if pin >= 0 {
		order = append(order, uint8(pin))
	}
	if region, pinned := r.countries[at.Country]; pinned {
		order = appendNew(order, uint8(region))
	}
	if region, pinned := r.continents[at.Continent]; pinned {
		order = appendNew(order, uint8(region))
	}
	near, n := r.nearest(at)
	for _, region := range near[:n] {
		if len(order) < kept {
			order = appendNew(order, region)
		}
	}
	if len(order) == 0 {
		order = append(order, r.file[0])
	}
	if first := r.regions[order[0]]; first.FailoverSet { // who comes behind is never asked: no reason to divide networks
		order = r.appendFailover(order[:1], first)
	}
	for _, region := range r.file {
		order = appendNew(order, region)
	}
	return order
}

// appendFailover appends the regions that the file names as a region's failover.
func (r *rules) appendFailover(order []uint8, first *config.Region) []uint8 {
	for _, name := range first.Failover {
		if i := slices.IndexFunc(r.regions, func(region *config.Region) bool { return region.Name == name }); i >= 0 {
			order = appendNew(order, uint8(i))
		}
	}
	return order
}

func appendNew(order []uint8, region uint8) []uint8 {
	if slices.Contains(order, region) {
		return order
	}
	return append(order, region)
}

// nearest is the n regions that are nearest to a place, as many as are kept; none if the place is not known.
func (r *rules) nearest(at Place) (near [kept]uint8, n int) {
	if !at.Located {
		return near, 0
	}
	here := pointOf(at.Location)
	for _, region := range r.located {
		i := n // moves forward past those that are farther away
		for ; i > 0 && here.far(r.points[region]) < here.far(r.points[near[i-1]]); i-- {
			if i < kept {
				near[i] = near[i-1]
			}
		}
		if i < kept {
			near[i], n = region, min(n+1, kept)
		}
	}
	return near, n
}

// vector is a point on the unit sphere: the chord between two grows with the way over the globe, and costs no sine.
type vector struct{ x, y, z float64 }

func pointOf(l config.Location) vector {
	const degree = math.Pi / 180
	sinLat, cosLat := math.Sincos(l.Latitude * degree)
	sinLon, cosLon := math.Sincos(l.Longitude * degree)
	return vector{cosLat * cosLon, cosLat * sinLon, sinLat}
}

// far is the square of the chord.
func (v vector) far(o vector) float64 {
	x, y, z := v.x-o.x, v.y-o.y, v.z-o.z
	return x*x + y*y + z*z
}

// kilometres is the way over the globe.
func (v vector) kilometres(o vector) float64 {
	const earthRadius = 6371 // the mean
	return 2 * earthRadius * math.Asin(math.Sqrt(min(v.far(o), 4))/2)
}
