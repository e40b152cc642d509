package config

import (
	"net/netip"
	"slices"
	"strings"
)

func (b *builder) buildDNS() {
	n := b.document.dns
	if n == nil {
		return
	}
	s := scope{loader: b.loader, subject: "dns", seen: make(map[string]position)}
	d := dnsEntry{DNS: DNS{RateLimit: 200}}
	dnsKeys.read(s, &d, n)
	for _, key := range []string{"listen", "zones"} {
		if _, given := s.seen[key]; !given {
			s.errorf(b.place("dns"), "%s is needed", key)
		}
	}
	b.DNS = &d.DNS
	if d.zones == nil {
		return
	}
	if len(d.zones.pairs) == 0 {
		s.errorf(d.zones.position, "zones names no zone")
	}
	var entries []*zoneEntry
	for _, p := range d.zones.pairs {
		entries = append(entries, b.buildZone(p))
	}
	b.checkDomains(entries)
	b.checkFamilies(entries)
	b.lintRecords(entries)
}

func (b *builder) buildZone(p pair) *zoneEntry {
	z := &zoneEntry{Zone: Zone{Name: canonical(p.key.text), TTL: defaultTTL}}
	s := b.loader.about("zone %q", z.Name)
	if !IsHost(z.Name) {
		s.errorf(p.key.position, "a zone is a domain name such as mail.example.org")
	}
	if b.zone(z.Name) != nil {
		s.errorf(p.key.position, "another zone has this name")
	}
	if p.value.shape != mapping {
		s.key = "a zone"
		s.wants(p.value, "a mapping of keys")
	} else {
		zoneKeys.read(s, z, p.value)
	}
	b.buildNameservers(s, z, p)
	b.buildHosts(s, z)
	b.buildDomains(s, z)
	b.buildRecords(s, z)
	b.DNS.Zones = append(b.DNS.Zones, &z.Zone)
	return z
}

func (b *builder) zone(name string) *Zone {
	return named(b.DNS.Zones, func(z *Zone) bool { return z.Name == name })
}

func (b *builder) buildNameservers(s scope, z *zoneEntry, p pair) {
	if z.nameservers == nil || len(z.nameservers.pairs) == 0 {
		if p.value.shape == mapping && (z.nameservers != nil || p.value.get("nameservers") == nil) {
			s.errorf(p.key.position, "nameservers is needed: a zone has at least one (RFC 1035, 5.2)")
		}
		return
	}
	for _, ns := range z.nameservers.pairs {
		inner := s.under("nameservers").under(ns.key.text)
		if !IsHost(strings.TrimSuffix(ns.key.text, ".")) {
			inner.errorf(ns.key.position, "nameservers: %q is no host name", shortened(ns.key.text))
		}
		addresses, ok := listOf(address).read(inner, ns.value)
		if ok && len(addresses) == 0 && b.ours(z, ns.key.text) {
			inner.errorf(ns.value.position, "%s needs an address: the name is in this zone", inner.key)
		}
		z.Nameservers = append(z.Nameservers, Nameserver{strings.ToLower(ns.key.text), addresses})
	}
}

// ours says whether a nameserver's name is in the zone, so that its address is for us to give.
func (b *builder) ours(z *zoneEntry, name string) bool {
	return !strings.HasSuffix(name, ".") || within(canonical(name), z.Name)
}

func (b *builder) buildHosts(s scope, z *zoneEntry) {
	if z.hosts == nil {
		return
	}
	for _, p := range z.hosts.pairs {
		inner := s.under("hosts").under(p.key.text)
		name := strings.ToLower(p.key.text)
		if name != "@" && !IsHost(name) {
			inner.errorf(p.key.position, `hosts: %q is neither a name below the zone nor "@"`, shortened(p.key.text))
		}
		if slices.ContainsFunc(z.Nameservers, func(ns Nameserver) bool { return ns.Name == name }) {
			inner.errorf(p.key.position, "hosts: %q is a nameserver: its addresses are given there", name)
		}
		if slices.ContainsFunc(z.Hosts, func(h Host) bool { return h.Name == name }) {
			inner.errorf(p.key.position, "hosts: %q is given twice", name)
		}
		if services, anyOf, ok := b.hostServices(inner, p.value); ok {
			z.Hosts = append(z.Hosts, Host{name, services, anyOf})
		}
	}
}

func (b *builder) buildDomains(s scope, z *zoneEntry) {
	if z.domains == nil {
		return
	}
	inner := s.under("domains")
	domain := scalarOf("a mail domain", words, func(_ scope, text string) (string, error) {
		if !IsHost(canonical(text)) {
			return "", errWants
		}
		return canonical(text), nil
	})
	z.Domains, _ = listOf(domain).read(inner, z.domains)
}

// checkDomains wants every mail domain in one of the zones, and only once: its records would be made twice.
func (b *builder) checkDomains(entries []*zoneEntry) {
	first := make(map[string]string)
	for _, z := range entries {
		s := b.loader.about("zone %q", z.Name)
		for _, name := range z.Domains {
			at := z.domains.item(name)
			if other, twice := first[name]; twice {
				s.errorf(at, "domains: %q is a domain of zone %q already", name, other)
			}
			first[name] = z.Name
			if !slices.ContainsFunc(entries, func(z *zoneEntry) bool { return within(name, z.Name) }) {
				s.errorf(at, "domains: %q is in none of the zones here", name)
			}
		}
	}
}

// item is the place of a name in a list of names.
func (n *node) item(name string) position {
	for _, item := range n.items {
		if canonical(item.text) == name {
			return item.position
		}
	}
	return n.position
}

// checkFamilies refuses a name that has an AAAA record for some clients and none for others: resolvers share one
// cache among clients, and a missing record is cached as well as a present one.
func (b *builder) checkFamilies(entries []*zoneEntry) {
	for _, z := range entries {
		for _, h := range z.Hosts {
			b.checkFamily(z, h)
		}
	}
	for _, r := range b.Regions {
		if len(r.Addresses) == 0 {
			b.warnf(b.place("dns"), "region %q has no addresses: no answer of dns leads there", r.Name)
		}
	}
}

func (b *builder) checkFamily(z *zoneEntry, h Host) {
	var first *Region
	s := b.loader.about("zone %q", z.Name)
	for _, r := range b.Regions {
		if len(r.Addresses) == 0 || !b.canServe(r, h) {
			continue
		}
		if first == nil {
			first = r
			continue
		}
		if families(first.Addresses) != families(r.Addresses) {
			s.errorf(z.hosts.pair(h.Name).key.position, "hosts: %q would have %s in region %q and %s in region %q: give both regions addresses of the same families",
				h.Name, families(first.Addresses), first.Name, families(r.Addresses), r.Name)
			return
		}
	}
	if first == nil {
		s.warnf(z.hosts.pair(h.Name).key.position, "hosts: no region with addresses can serve %q", h.Name)
	}
}

// canServe says whether the nodes of a region, all being well, serve what a host stands for.
func (b *builder) canServe(r *Region, h Host) bool {
	served := func(service string) bool { return b.served[servedKey{service, r.Name}] }
	if h.Any {
		return slices.ContainsFunc(h.Services, served)
	}
	return !slices.ContainsFunc(h.Services, func(service string) bool { return !served(service) })
}

func families(addresses []netip.Addr) string {
	v4 := slices.ContainsFunc(addresses, netip.Addr.Is4)
	v6 := slices.ContainsFunc(addresses, netip.Addr.Is6)
	switch {
	case v4 && v6:
		return "IPv4 and IPv6 addresses"
	case v6:
		return "IPv6 addresses only"
	}
	return "IPv4 addresses only"
}
