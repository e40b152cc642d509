package geodns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"posthouse/config"
)

// Zones is every zone of a topology. It is immutable.
type Zones struct {
	Hosts []*Host // in the order of the file

	topology  *config.Topology
	serial    uint32
	zones     map[string]*Zone // by name
	fileOrder []uint8
}

// Zone is one zone: the names in it and what they have.
type Zone struct {
	Name string // fully qualified, in lower case

	ttl   uint32
	soa   *dns.SOA
	names map[string]*name // by fully qualified name in lower case; with those that only have names below them
}

// name is what one name of a zone has. With neither records nor a host it is an empty non-terminal (RFC 8020, 2).
type name struct {
	sets map[uint16][]dns.RR // by type
	host *Host               // answered by region; nil: static only
	next bool                // the host's second name, which leads to the next region
}

// NewZones makes the zones of a topology. The serial is that of their SOA records.
func NewZones(t *config.Topology, serial uint32) (*Zones, error) {
	z := &Zones{topology: t, serial: serial, zones: make(map[string]*Zone), fileOrder: everyRegion(t)}
	if t.DNS == nil {
		return z, nil
	}
	for _, c := range t.DNS.Zones {
		z.zones[dns.Fqdn(c.Name)] = &Zone{Name: dns.Fqdn(c.Name), ttl: uint32(c.TTL.Seconds()), names: make(map[string]*name)}
	}
	for _, c := range t.DNS.Zones {
		if err := z.fill(z.zones[dns.Fqdn(c.Name)], c); err != nil {
			return nil, err
		}
	}
	for _, zone := range z.zones {
		zone.addEmpty()
	}
	return z, nil
}

// zoneOf is the deepest zone that holds a name, or nil.
func (z *Zones) zoneOf(qname string) *Zone {
	for name := range above(qname) {
		if zone := z.zones[name]; zone != nil {
			return zone
		}
	}
	return nil
}

// above is a name and every name that it is below, down to the root's children.
func above(qname string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i, end := 0, false; !end; i, end = dns.NextLabel(qname, i) {
			if !yield(qname[i:]) {
				return
			}
		}
	}
}

func (z *Zones) fill(zone *Zone, c *config.Zone) error {
	zone.addSOA(c, z.serial)
	z.addNameservers(zone, c)
	for _, h := range c.Hosts {
		host := newHost(z.topology, zone.absolute(h.Name), h, zone.ttl)
		host.Index = len(z.Hosts)
		z.Hosts = append(z.Hosts, host)
		zone.at(host.Name).host = host
	}
	return zone.addRecords(c.Records)
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
				holder.add(address(name, a, zone.ttl))
			}
		}
	}
}

// address is an A or AAAA record.
func address(name string, a netip.Addr, ttl uint32) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: header(name, dns.TypeA, ttl), A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(name, dns.TypeAAAA, ttl), AAAA: a.AsSlice()}
}

// addRecords adds the static records.
func (z *Zone) addRecords(text string) error {
	parser := dns.NewZoneParser(strings.NewReader(text), z.Name, "")
	parser.SetDefaultTTL(z.ttl)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		z.add(rr)
	}
	if err := parser.Err(); err != nil {
		return fmt.Errorf("zone %q: records: %w", strings.TrimSuffix(z.Name, "."), err)
	}
	return nil
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
