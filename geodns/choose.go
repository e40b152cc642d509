package geodns

import (
	"net/netip"
	"slices"
)

// Choice is where a client is sent: a region, the addresses of it that are answered, and for how long.
type Choice struct {
	Region    uint8
	Addresses []netip.Addr // of one family
	TTL       uint32
}

// choose returns the region that serves a host in a place. next asks for the one after it, for the second name of a
// mail exchanger. Health chooses between regions; that there is an answer depends on neither health nor place.
func (d *Data) choose(h *Host, p Place, v6, next bool) (Choice, bool) {
	if v6 && !h.v6 || !v6 && !h.v4 {
		return Choice{}, false
	}
	candidates := d.candidates(h, p, v6)
	sorted := d.serving(h, candidates)
	i := 0
	if next && len(sorted) > 1 {
		i = 1
	}
	region := sorted[i]
	all := d.Zones.topology.Regions[region].Addresses
	addresses := family(d.View.good(region, all), v6)
	if len(addresses) == 0 { // all the good ones are of the other family, and the name has both
		addresses = family(all, v6)
	}
	return Choice{region, addresses, d.ttl(h, candidates, region)}, true
}

// candidates is the first region and its failover, as far as they have addresses of the family. A region without
// addresses is not in DNS: its clients belong to the next.
func (d *Data) candidates(h *Host, p Place, v6 bool) []uint8 {
	regions := d.Zones.topology.Regions
	var all []uint8
	for _, r := range d.order(p) {
		if len(family(regions[r].Addresses, v6)) > 0 {
			all = append(all, r)
		}
	}
	first := regions[all[0]]
	if !first.FailoverSet {
		return all
	}
	own := all[:1:1]
	for _, name := range first.Failover {
		i := slices.IndexFunc(all, func(r uint8) bool { return regions[r].Name == name })
		if i > 0 {
			own = append(own, all[i])
		}
	}
	return own
}

// serving sorts candidates: those that can serve the host now, then those that could if their nodes were up, then
// the rest. When nobody can it is therefore as if everybody could.
func (d *Data) serving(h *Host, candidates []uint8) []uint8 {
	rank := func(r uint8) int {
		switch {
		case !d.View.state(h, r).Down:
			return 0
		case h.runs[r]:
			return 1
		}
		return 2
	}
	sorted := slices.Clone(candidates)
	slices.SortStableFunc(sorted, func(a, b uint8) int { return rank(a) - rank(b) })
	return sorted
}

// minTTL is the least that an answer is kept: resolvers ask again for every client below it.
const minTTL = 5

// ttl is short while a change is near that would make the choice another one: in the region that was chosen, or in
// one that comes before it.
func (d *Data) ttl(h *Host, candidates []uint8, chosen uint8) uint32 {
	for _, r := range candidates {
		if d.View.state(h, r).Changing {
			return min(h.ttl, max(minTTL, h.ttl/4))
		}
		if r == chosen {
			break
		}
	}
	return h.ttl
}
