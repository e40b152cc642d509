package proxy

import (
	"net/netip"
	"slices"

	"posthouse/config"
)

// prefixes is a set of networks. A look-up costs one map access for each prefix length that occurs, however long a
// list of blocked networks is. The zero value is empty.
type prefixes struct {
	lengths4, lengths6 []int
	networks           map[netip.Prefix]struct{}
}

func newPrefixes(all []netip.Prefix) prefixes {
	set := prefixes{networks: make(map[netip.Prefix]struct{}, len(all))}
	for _, p := range all {
		p = p.Masked()
		set.networks[p] = struct{}{}
		lengths := &set.lengths6
		if p.Addr().Is4() {
			lengths = &set.lengths4
		}
		if !slices.Contains(*lengths, p.Bits()) {
			*lengths = append(*lengths, p.Bits())
		}
	}
	return set
}

func (s *prefixes) empty() bool { return len(s.networks) == 0 }

// contains takes an address that is not IPv4-mapped and has no zone.
func (s *prefixes) contains(a netip.Addr) bool {
	for _, bits := range s.lengths(a) {
		network, _ := a.Prefix(bits)
		if _, ok := s.networks[network]; ok {
			return true
		}
	}
	return false
}

// refusal is why a client may not connect; "" if it may.
func refusal(allow, deny *prefixes, client netip.Addr) string {
	switch {
	case deny.contains(client):
		return "it is in deny"
	case !allow.empty() && !allow.contains(client):
		return "it is not in allow"
	}
	return ""
}

// Refusal is why a client may not connect to a service; "" if it may.
func Refusal(s *config.Service, client netip.Addr) string {
	allow, deny := newPrefixes(s.Allow), newPrefixes(s.Deny)
	return refusal(&allow, &deny, client.Unmap().WithZone(""))
}

// lengths are those that occur in the family of an address.
func (s *prefixes) lengths(a netip.Addr) []int {
	if a.Is4() {
		return s.lengths4
	}
	return s.lengths6
}
