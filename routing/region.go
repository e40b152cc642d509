package routing

import (
	"cmp"
	"math"
	"slices"

	"posthouse/config"
)

// regionOrder is the regions whose nodes may get sessions of this balancer, in the order in which they are asked: its
// own, then its failover, by default all others, nearest first.
func regionOrder(t *config.Topology) []*config.Region {
	own := t.RegionNamed(t.Region)
	if own == nil {
		return nil
	}
	order := []*config.Region{own}
	for _, r := range failover(t, own) {
		if !slices.Contains(order, r) {
			order = append(order, r)
		}
	}
	return slices.DeleteFunc(order, func(r *config.Region) bool { return closed(t, r) != "" })
}

// closed is why no new session of this balancer may go to a region that its order names; "" if one may.
func closed(t *config.Topology, r *config.Region) string {
	switch {
	case r.State != config.Active:
		return r.State.String()
	case r.Name != t.Region && r.Reach == config.ReachNone:
		return "reach: none"
	}
	return ""
}

// failover is where the sessions of a region go next, in order; regions that the topology does not have are left out.
func failover(t *config.Topology, own *config.Region) []*config.Region {
	if !own.FailoverSet {
		return byDistance(t.Regions, own)
	}
	var order []*config.Region
	for _, name := range own.Failover {
		if r := t.RegionNamed(name); r != nil {
			order = append(order, r)
		}
	}
	return order
}

// byDistance is all regions, nearest first; those that have no location come last, in the order of the file.
func byDistance(all []*config.Region, from *config.Region) []*config.Region {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *config.Region) int {
		return cmp.Compare(distance(from.Location, a.Location), distance(from.Location, b.Location))
	})
	return order
}

const earthRadius = 6371 // km, the mean

// distance is the way over the globe in km (haversine), infinite if a place is not known.
func distance(a, b *config.Location) float64 {
	if a == nil || b == nil {
		return math.Inf(1)
	}
	const degree = math.Pi / 180
	north := math.Sin((b.Latitude - a.Latitude) * degree / 2)
	east := math.Sin((b.Longitude - a.Longitude) * degree / 2)
	h := north*north + math.Cos(a.Latitude*degree)*math.Cos(b.Latitude*degree)*east*east
	return 2 * earthRadius * math.Asin(math.Sqrt(min(h, 1)))
}

// standing is how much of the weight that a region has for a service can serve now. Disabled nodes are not part of
// it; drained ones count as weight that is missing, for what they took the others must take.
type standing struct{ healthy, weight uint64 }

// share is the part of its new sessions that a region keeps: all at or above min_healthy, below it what its nodes
// would carry at min_healthy.
func (s standing) share(minHealthy float64) float64 {
	enough := float64(s.weight) * minHealthy
	if float64(s.healthy) >= enough {
		return 1
	}
	return float64(s.healthy) / enough
}

// split says which region new sessions belong to (the first that has the service), what share of them it keeps, and
// which region takes the rest: the next one that is at or above. Where none is, all stay.
func split(regions []standing, minHealthy float64) (home, spill int, keep float64) {
	home = slices.IndexFunc(regions, func(s standing) bool { return s.weight > 0 })
	if home < 0 {
		return -1, -1, 1
	}
	keep = regions[home].share(minHealthy)
	if keep == 1 {
		return home, -1, 1
	}
	for i := home + 1; i < len(regions); i++ {
		if regions[i].healthy > 0 && regions[i].share(minHealthy) == 1 {
			return home, i, keep
		}
	}
	return home, -1, 1
}
