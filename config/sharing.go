package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// claim is an address that a service wants to open in a region.
type claim struct {
	*serviceEntry
	address  netip.AddrPort
	redirect bool
	at       position
}

// maxClaims bounds what is compared with each other.
const maxClaims = 1024

// checkSharing compares what is opened in each region: a balancer of any region has to be able to open all of it.
func (b *builder) checkSharing() {
	said := make(map[string]bool) // one mistake for a service, however many regions and neighbours it is made in
	for _, r := range b.Regions {
		claims := b.claims(r.Name)
		if len(claims) > maxClaims {
			b.errorf(b.top, "more than %d addresses to listen on in region %q", maxClaims, r.Name)
			return
		}
		for i, c := range claims {
			b.compare(said, claims[:i], c)
			b.compareOwn(said, c)
		}
	}
}

func (b *builder) compare(said map[string]bool, earlier []claim, c claim) {
	for _, a := range earlier {
		if !Overlap(a.address, c.address) {
			continue
		}
		id := fmt.Sprint(c.Name, " ", c.address)
		if said[id] {
			return
		}
		if problem, at := b.conflict(a, c); problem != "" {
			said[id] = true
			b.errorf(cmp.Or(at, c.at, a.at, b.top), "service %q: %s", c.Name, problem)
		}
	}
}

// compareOwn keeps services off the addresses of the admin API.
func (b *builder) compareOwn(said map[string]bool, c claim) {
	admin, err := parseListen(b.Admin.Listen)
	if err == nil && Overlap(admin, c.address) && !said["admin"] {
		said["admin"] = true
		b.errorf(b.place("admin.listen"), "admin: %s is an address of service %q (%s)", listenText(admin), c.Name, listenText(c.address))
	}
}

func (b *builder) claims(region string) []claim {
	var all []claim
	for _, e := range b.entries {
		if !e.Live {
			continue
		}
		at := e.where("listen", position{})
		if _, regional := e.RegionalListen[region]; regional {
			at = e.where("regional_listen."+region, position{})
		}
		for _, a := range e.ListenIn(region) {
			all = append(all, claim{e, a, false, at})
		}
		for _, a := range e.RedirectListen {
			all = append(all, claim{e, a, true, e.where("redirect_listen", position{})})
		}
	}
	return all
}

// Overlap says whether a connection could arrive at both addresses, so that only one of them can be bound. The zero Addr is every
// address.
func Overlap(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr() == b.Addr() || covers(a.Addr(), b.Addr()) || covers(b.Addr(), a.Addr()))
}

// covers says whether every address of b is one of a. "::" takes IPv4 too, as the kernel does by default.
func covers(a, b netip.Addr) bool {
	return !a.IsValid() || a == netip.IPv6Unspecified() || a == netip.IPv4Unspecified() && (!b.IsValid() || b.Is4())
}

// conflict is why two claims that overlap cannot stand, or "", and where, if neither claim is the place.
func (b *builder) conflict(a, c claim) (string, position) {
	address := listenText(c.address)
	switch {
	case a.Name == c.Name && a.redirect == c.redirect && a.address == c.address:
		return fmt.Sprintf("%s is listed twice", address), position{}
	case a.address != c.address:
		return fmt.Sprintf("%s collides with %s of %q: neither could be told from the other", address, listenText(a.address), a.Name), position{}
	case a.redirect && c.redirect:
		return "", position{}
	case a.redirect || c.redirect:
		return fmt.Sprintf("%s is opened twice, once to redirect: %q has it too", address, a.Name), position{}
	}
	if problem := disagreement(a, c); problem != "" {
		return fmt.Sprintf("shares %s with %q, so they need the same %s", address, a.Name, problem), position{}
	}
	return b.distinguishable(a, c)
}

// disagreement is what holds for an address as a whole and differs between two services on it.
func disagreement(a, c claim) string {
	switch {
	case a.TLS != c.TLS:
		return fmt.Sprintf("tls (%s and %s)", a.TLS, c.TLS)
	case !sameSet(a.AcceptProxy, c.AcceptProxy):
		return "accept_proxy"
	case !sameSet(a.Allow, c.Allow):
		return "allow"
	case !sameSet(a.Deny, c.Deny):
		return "deny"
	}
	return ""
}

func sameSet(a, b []netip.Prefix) bool {
	compare := func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	}
	return slices.Equal(slices.SortedFunc(slices.Values(a), compare), slices.SortedFunc(slices.Values(b), compare))
}

// distinguishable is why clients of two services on one address could not be told apart, or "".
func (b *builder) distinguishable(a, c claim) (string, position) {
	address := listenText(c.address)
	common := slices.DeleteFunc(slices.Clone(a.ServerNames), func(n string) bool { return !slices.Contains(c.ServerNames, n) })
	same := len(common) == len(a.ServerNames) && len(common) == len(c.ServerNames)
	switch {
	case len(common) > 0 && !same:
		return fmt.Sprintf("shares %s with %q and some of its server_names (%s): they have all of them in common or none", address, a.Name, strings.Join(common, ", ")), position{}
	case !same:
		return "", position{}
	case a.Protocol != HTTP || c.Protocol != HTTP:
		return fmt.Sprintf("%s is taken by %q: give one of them another address, or both TLS and server_names", address, a.Name), position{}
	case a.TLS == Passthrough:
		return b.sameNodes(a, c)
	}
	return samePaths(a, c), position{}
}

func (b *builder) sameNodes(a, c claim) (string, position) {
	for _, n := range b.Nodes {
		if n.Runs(a.Name) == n.Runs(c.Name) {
			continue
		}
		only := a.Name
		if n.Runs(c.Name) {
			only = c.Name
		}
		return fmt.Sprintf("shares %s with %q by tls: passthrough, which takes the very same nodes for both, but node %q runs only %s of them: "+
			"give both tls: reencrypt, or server_names, or addresses of their own", listenText(c.address), a.Name, n.Name, only), b.nodeAt[n]
	}
	return "", position{}
}

func samePaths(a, c claim) string {
	if len(a.Paths) == 0 && len(c.Paths) == 0 {
		return fmt.Sprintf("shares %s with %q, and neither has paths: nothing tells them apart", listenText(c.address), a.Name)
	}
	for _, p := range c.Paths {
		if slices.Contains(a.Paths, p) {
			return fmt.Sprintf("shares %s and the path %s with %q", listenText(c.address), p, a.Name)
		}
	}
	return ""
}

// listenText is an address to listen on as an operator writes it.
func listenText(a netip.AddrPort) string {
	if !a.Addr().IsValid() {
		return fmt.Sprintf(":%d", a.Port())
	}
	return a.String()
}
