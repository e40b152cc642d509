package geodns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

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
	now       func() time.Time // for signatures
}

// Zone is one zone: the names in it and what they have.
type Zone struct {
	Name string // fully qualified, in lower case

	ttl    uint32
	soa    *dns.SOA
	signer *signer          // nil: the zone is not signed
	names  map[string]*name // by fully qualified name in lower case; with those that only have names below them
}

// name is what one name of a zone has. With neither records nor a host it is an empty non-terminal (RFC 8020, 2).
type name struct {
	sets map[uint16][]dns.RR // by type
	host *Host               // answered by region; nil: static only
	next bool                // the host's second name, which leads to the next region
}

// NewZones makes the zones of a topology. The serial is that of their SOA records. It reads the keys and certificates
// that the topology names: where they change, the zones are to be made again.
func NewZones(t *config.Topology, serial uint32) (*Zones, error) {
	z := &Zones{topology: t, serial: serial, zones: make(map[string]*Zone), fileOrder: everyRegion(t), now: time.Now}
	if t.DNS == nil {
		return z, nil
	}
	for _, c := range t.DNS.Zones {
		zone := &Zone{Name: dns.Fqdn(c.Name), ttl: uint32(c.TTL.Seconds()), names: make(map[string]*name)}
		z.zones[zone.Name] = zone
		if err := z.readKeys(zone); err != nil {
			return nil, err
		}
	}
	if err := z.fillAll(); err != nil {
		return nil, err
	}
	return z, nil
}

// readKeys reads the keys of a zone, if zones are signed.
func (z *Zones) readKeys(zone *Zone) error {
	dir := z.topology.DNS.KeyDir
	if dir == "" {
		return nil
	}
	keys, err := ReadKeys(dir, zone.Name)
	if err != nil {
		return err
	}
	zone.signer = newSigner(zone.Name, keys, func() time.Time { return z.now() })
	if len(zone.signer.keys) == 0 {
		return fmt.Errorf("zone %q: %s has no key to sign it with: make one with posthouse dns keygen", strings.TrimSuffix(zone.Name, "."), dir)
	}
	zone.addKeys(keys)
	return nil
}

// fillAll fills the zones: first with what the file says of each, then with what is made, which gives way to it and
// may lie in another zone.
func (z *Zones) fillAll() error {
	for _, c := range z.topology.DNS.Zones {
		if err := z.fill(z.zones[dns.Fqdn(c.Name)], c); err != nil {
			return err
		}
	}
	for _, c := range z.topology.DNS.Zones {
		hosts := z.hostsOf(c)
		z.addFallbacks(hosts)
		z.addMail(c, hosts)
	}
	if err := z.addTLSA(); err != nil {
		return err
	}
	for _, zone := range z.zones {
		z.delegate(zone)
		zone.addEmpty()
		zone.levelTTL()
	}
	return nil
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
		host := newHost(z.topology, zone.absolute(h.Name), h, zone.ttl)
		host.zone = zone
		hosts = append(hosts, host)
	}
	z.nameFallback(hosts)
	return hosts
}

// hostsOf is the hosts of one zone, in the order of the file.
func (z *Zones) hostsOf(c *config.Zone) []*Host {
	zone := z.zones[dns.Fqdn(c.Name)]
	var hosts []*Host
	for _, h := range z.Hosts {
		if h.zone == zone {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// delegate tells the zone above, if it is one of ours, where this one begins.
func (z *Zones) delegate(zone *Zone) {
	parent := z.parent(zone)
	if parent == nil {
		return
	}
	for _, rr := range zone.names[zone.Name].sets[dns.TypeNS] {
		parent.add(rr)
	}
	if zone.signer == nil {
		return
	}
	for _, k := range zone.signer.keys {
		if k.SignsKeys() {
			parent.add(k.DS())
		}
	}
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
