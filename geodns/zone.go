package geodns

import (
	"fmt"
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
	runs      map[run]bool
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
	z := &Zones{
		topology: t, serial: serial, zones: make(map[string]*Zone), fileOrder: everyRegion(t), runs: allRuns(t), now: time.Now,
	}
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

// Topology is what the zones were made from.
func (z *Zones) Topology() *config.Topology { return z.topology }

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
