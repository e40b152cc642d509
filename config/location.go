package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// whereabouts is what the key address says, before it is expanded: addresses of one family each, or a host name.
type whereabouts struct {
	*node
	counting netip.Addr // "10.1.1.1+"
	pattern  pattern    // or this
}

func readWhereabouts(s scope, n *node) (whereabouts, bool) {
	const want = "an IP address, 10.1.1.1+ to count up from there, 10.1.1.[1-192], or a host name"
	if n.shape != scalar || n.text == "" || n.tag == "!!null" {
		s.wants(n, want)
		return whereabouts{}, false
	}
	w := whereabouts{node: n}
	if start, counts := strings.CutSuffix(n.text, "+"); counts {
		a, err := parseAddress(start)
		if err != nil {
			s.refuse(n, want, err)
		}
		w.counting = a
		return w, err == nil
	}
	p, err := parsePattern(n.text)
	if err != nil {
		s.errorf(n.position, "%s: %v", s.key, err)
		return w, false
	}
	w.pattern = p
	return w, true
}

// at is the i-th address or host name.
func (w whereabouts) at(i int) (netip.Addr, string, error) {
	if w.counting.IsValid() {
		a, ok := plus(w.counting, i)
		if !ok {
			return a, "", fmt.Errorf("%s runs past the last address there is", w.text)
		}
		if a.IsMulticast() || a.IsUnspecified() {
			return a, "", fmt.Errorf("%s runs into %s, which is not the address of a machine", w.text, a)
		}
		return a, "", nil
	}
	word := w.pattern.at(i)
	a, err := parseAddress(word)
	switch {
	case err == nil:
		return a, "", nil
	case err != errWants:
		return a, "", err
	case !IsHost(word) || looksNumeric(word):
		return a, "", fmt.Errorf("%q is neither an address nor a host name", shortened(word))
	}
	return netip.Addr{}, word, nil
}

// looksNumeric tells a mistyped address, such as 10.1.1.256, from a host name: no top-level domain is a number
// (RFC 3696, 2).
func looksNumeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}

func fixed(where []whereabouts) bool {
	for _, w := range where {
		if !w.counting.IsValid() && len(w.pattern.counters) == 0 {
			return true
		}
	}
	return false
}

func (b *builder) whereabouts(s scope, address *node) ([]whereabouts, bool) {
	s.key = "address"
	items := []*node{address}
	if address.shape == list {
		if items = address.items; len(items) != 2 {
			s.errorf(address.position, "address: a list is of two, an IPv4 and an IPv6 address")
			return nil, false
		}
	}
	var all []whereabouts
	for _, item := range items {
		w, ok := readWhereabouts(s, item)
		if !ok {
			return nil, false
		}
		all = append(all, w)
	}
	return all, true
}

// locate gives the node its addresses or its host name.
func (b *builder) locate(s scope, n *Node, where []whereabouts, i int) bool {
	n.Addresses, n.Host = nil, ""
	for _, w := range where {
		a, host, err := w.at(i)
		switch {
		case err != nil:
			s.errorf(w.position, "address: %v", err)
			return false
		case host != "" && len(where) > 1:
			s.errorf(w.position, "address: a list is of an IPv4 and an IPv6 address, not of host names")
			return false
		case host != "":
			n.Host = host
		default:
			n.Addresses = append(n.Addresses, a)
		}
	}
	if len(n.Addresses) == 2 && n.Addresses[0].Is4() == n.Addresses[1].Is4() {
		s.errorf(where[1].position, "address: a list is of an IPv4 and an IPv6 address, not of two of a kind")
		return false
	}
	return true
}
