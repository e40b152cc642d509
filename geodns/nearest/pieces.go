package nearest

import (
	"net/netip"
	"slices"
)

// pieces divides the addresses of each family among the pins: where one lies inside another the longer one counts.
func (r *rules) pieces() (v4, v6 []piece) {
	for _, p := range slices.Backward(r.pins) { // the shortest first, so that longer ones cut into them
		first, last := span(p.prefix)
		if cut := (piece{first, last, p.region}); p.prefix.Addr().Is4() {
			v4 = lay(v4, cut)
		} else {
			v6 = lay(v6, cut)
		}
	}
	return v4, v6
}

// lay puts a piece over sorted pieces, each of which holds all of it or nothing of it.
func lay(under []piece, p piece) []piece {
	i, _ := slices.BinarySearchFunc(under, p, func(u, p piece) int {
		if u.last.less(p.first) {
			return -1
		}
		return 1
	})
	if i == len(under) || p.last.less(under[i].first) {
		return slices.Insert(under, i, p)
	}
	whole := under[i]
	parts := []piece{p}
	if whole.first.less(p.first) {
		parts = slices.Insert(parts, 0, piece{whole.first, p.first.before(), whole.region})
	}
	if p.last.less(whole.last) {
		behind, _ := p.last.next()
		parts = append(parts, piece{behind, whole.last, whole.region})
	}
	return slices.Replace(under, i, i+1, parts...)
}

// pinOf is the longest pin of an address.
func (r *rules) pinOf(a netip.Addr) (pin, bool) {
	i := slices.IndexFunc(r.pins, func(p pin) bool { return p.prefix.Contains(a) })
	if i < 0 {
		return pin{}, false
	}
	return r.pins[i], true
}
