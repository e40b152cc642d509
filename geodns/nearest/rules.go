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
	file       []uint8   // the order of the file, but that regions without addresses to answer with come last
	open       int       // how many have addresses
	points     []*vector // by region; nil: no location
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
		r.points = append(r.points, pointOf(region.Location))
		if len(region.Addresses) > 0 {
			r.file = append(r.file, uint8(i))
			r.takePins(i, region)
		}
	}
	r.open = len(r.file)
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

// order is all regions for addresses at a place that are pinned to a region or (-1) to none: first the one that the strongest
// rule knows, then its failover, by default the next by the same rules.
func (r *rules) order(pin int, at Place) []uint8 {
	order := make([]uint8, 0, 2*len(r.file)+kept)
	add := func(region int) {
		if len(order) < kept && !slices.Contains(order, uint8(region)) {
			order = append(order, uint8(region))
		}
	}
	if pin >= 0 {
		add(pin)
	}
	if region, pinned := r.countries[at.Country]; pinned {
		add(region)
	}
	if region, pinned := r.continents[at.Continent]; pinned {
		add(region)
	}
	for _, region := range r.byDistance(at) {
		add(region)
	}
	order = append(order, r.file...)
	if first := r.regions[order[0]]; first.FailoverSet { // who comes behind them is never asked: no reason to divide networks
		order = append(append(order[:1], r.failover(first)...), r.file...)
	}
	return unique(order)
}

// failover is the regions that the file names as a region's failover.
func (r *rules) failover(first *config.Region) []uint8 {
	var order []uint8
	for _, name := range first.Failover {
		if i := slices.IndexFunc(r.regions, func(region *config.Region) bool { return region.Name == name }); i >= 0 {
			order = append(order, uint8(i))
		}
	}
	return order
}

// unique is an order without what was there before.
func unique(order []uint8) []uint8 {
	var once []uint8
	for _, region := range order {
		if !slices.Contains(once, region) {
			once = append(once, region)
		}
	}
	return once
}

// byDistance is the regions that are nearest to a place, as many as are kept; none if either place is not known.
func (r *rules) byDistance(at Place) []int {
	here := pointOf(at.Location)
	if here == nil {
		return nil
	}
	var near []int
	for _, i := range r.file[:r.open] {
		if r.points[i] != nil {
			near = insert(near, int(i), func(other int) bool { return here.far(r.points[i]) < here.far(r.points[other]) })
		}
	}
	return near
}

// insert puts a region before the first that it is nearer than, and forgets who is no longer among the nearest.
func insert(near []int, region int, nearer func(int) bool) []int {
	i := slices.IndexFunc(near, nearer)
	if i < 0 {
		i = len(near)
	}
	if i == kept {
		return near
	}
	near = slices.Insert(near, i, region)
	return near[:min(len(near), kept)]
}

// vector is a point on the unit sphere: the chord between two grows with the way over the globe, and costs no sine.
type vector struct{ x, y, z float64 }

func pointOf(l *config.Location) *vector {
	if l == nil {
		return nil
	}
	const degree = math.Pi / 180
	sinLat, cosLat := math.Sincos(l.Latitude * degree)
	sinLon, cosLon := math.Sincos(l.Longitude * degree)
	return &vector{cosLat * cosLon, cosLat * sinLon, sinLat}
}

// far is the square of the chord.
func (v *vector) far(o *vector) float64 {
	x, y, z := v.x-o.x, v.y-o.y, v.z-o.z
	return x*x + y*y + z*z
}

// kilometres is the way over the globe.
func (v *vector) kilometres(o *vector) float64 {
	const earthRadius = 6371 // the mean
	return 2 * earthRadius * math.Asin(math.Sqrt(min(v.far(o), 4))/2)
}
