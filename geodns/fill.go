package geodns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"posthouse/config"
)

// fill puts into a zone what the file says of it.
func (z *Zones) fill(zone *Zone, c *config.Zone) error {
	zone.addSOA(c, z.serial)
	z.addNameservers(zone, c)
	for _, h := range z.newHosts(zone, c) {
		h.Index = len(z.Hosts)
		z.Hosts = append(z.Hosts, h)
		zone.at(h.Name).host = h
	}
	return zone.addRecords(c.Records)
}

// newHosts makes the hosts of a zone, in the order of the file.
func (z *Zones) newHosts(zone *Zone, c *config.Zone) []*Host {
	var hosts []*Host
	for _, h := range c.Hosts {
		host := z.newHost(zone.absolute(h.Name), h, zone.ttl)
		host.zone = zone
		hosts = append(hosts, host)
	}
	z.nameFallback(c, hosts)
	return hosts
}

// absolute is a name of the file in full: relative to the zone unless it ends in a dot.
func (z *Zone) absolute(s string) string {
	switch {
	case s == "@":
		return z.Name
	case strings.HasSuffix(s, "."):
		return dns.CanonicalName(s)
	}
	return dns.CanonicalName(s + "." + z.Name)
}

// at is the entry of a name, made if need be.
func (z *Zone) at(qname string) *name {
	n := z.names[qname]
	if n == nil {
		n = &name{sets: make(map[uint16][]dns.RR)}
		z.names[qname] = n
	}
	return n
}

// add puts a record into the zone, once.
func (z *Zone) add(rr dns.RR) {
	h := rr.Header()
	n := z.at(dns.CanonicalName(h.Name))
	same := func(other dns.RR) bool { return dns.IsDuplicate(rr, other) }
	if !slices.ContainsFunc(n.sets[h.Rrtype], same) {
		n.sets[h.Rrtype] = append(n.sets[h.Rrtype], rr)
	}
}

func header(name string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// addSOA makes the start of authority. Secondaries never ask us, so the times are what checkers expect. Negative
// answers are kept as long as positive ones.
func (z *Zone) addSOA(c *config.Zone, serial uint32) {
	z.soa = &dns.SOA{
		Hdr: header(z.Name, dns.TypeSOA, z.ttl), Ns: z.absolute(c.Nameservers[0].Name), Mbox: "hostmaster." + z.Name,
		Serial: serial, Refresh: 3600, Retry: 600, Expire: 604800, Minttl: z.ttl,
	}
	z.add(z.soa)
}

// addNameservers adds the zone's NS records, and the addresses of those that are in a zone of ours.
func (z *Zones) addNameservers(zone *Zone, c *config.Zone) {
	for _, ns := range c.Nameservers {
		name := zone.absolute(ns.Name)
		zone.add(&dns.NS{Hdr: header(zone.Name, dns.TypeNS, zone.ttl), Ns: name})
		if holder := z.zoneOf(name); holder != nil {
			for _, a := range ns.Addresses {
				holder.add(addressRecord(name, a, zone.ttl))
			}
		}
	}
}

// addressRecord is an A or AAAA record.
func addressRecord(name string, a netip.Addr, ttl uint32) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: header(name, dns.TypeA, ttl), A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(name, dns.TypeAAAA, ttl), AAAA: a.AsSlice()}
}

// addRecords adds the static records. One without a TTL has the zone's, not that of the record before it
// (RFC 2308, 4).
func (z *Zone) addRecords(text string) error {
	text = fmt.Sprintf("$TTL %d\n%s", z.ttl, text)
	parser := dns.NewZoneParser(strings.NewReader(text), z.Name, "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		z.add(rr)
	}
	if err := parser.Err(); err != nil {
		return fmt.Errorf("zone %q: records: %w", strings.TrimSuffix(z.Name, "."), err)
	}
	return nil
}

// levelTTL gives the records of a set the least of their TTLs: they are kept as one (RFC 2181, 5.2).
func (z *Zone) levelTTL() {
	for _, n := range z.names {
		for _, set := range n.sets {
			least := set[0].Header().Ttl
			for _, rr := range set {
				least = min(least, rr.Header().Ttl)
			}
			for i, rr := range set {
				if rr.Header().Ttl != least {
					set[i] = dns.Copy(rr)
					set[i].Header().Ttl = least
				}
			}
		}
	}
}

// addEmpty adds the names that have nothing but names below them.
func (z *Zone) addEmpty() {
	for qname := range z.names {
		for parent := range above(qname) {
			if parent == z.Name {
				break
			}
			z.at(parent)
		}
	}
}
