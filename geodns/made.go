package geodns

import (
	"slices"

	"github.com/miekg/dns"

	"posthouse/config"
)

// addMail makes the records of a zone's mail domains. What the file has of the same name and type stands.
func (z *Zones) addMail(c *config.Zone, hosts []*Host) {
	for _, domain := range c.Domains {
		m := &mailDomain{name: dns.Fqdn(domain), hosts: hosts, ttl: uint32(c.TTL.Seconds()), tlsrpt: c.TLSRPT, topology: z.topology}
		m.given = z.given(m.name, dns.TypeMX)
		for _, set := range sets(m.records()) {
			z.suggest(set)
		}
		if web := m.web(); web != nil {
			for _, label := range webNames {
				z.suggestHost(label+"."+m.name, web)
			}
		}
	}
}

// sets puts the records of each name and type together.
func sets(records []dns.RR) [][]dns.RR {
	var all [][]dns.RR
	for _, rr := range records {
		same := func(set []dns.RR) bool {
			a, b := set[0].Header(), rr.Header()
			return a.Name == b.Name && a.Rrtype == b.Rrtype
		}
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i] = append(all[i], rr)
		} else {
			all = append(all, []dns.RR{rr})
		}
	}
	return all
}

// given is what the file has of a name and type; nil: it is for us to make.
func (z *Zones) given(qname string, rrtype uint16) []dns.RR {
	if n := z.zoneOf(qname).names[qname]; n != nil {
		return n.sets[rrtype]
	}
	return nil
}

// suggest adds a set of records unless the name has its own.
func (z *Zones) suggest(set []dns.RR) {
	h := set[0].Header()
	zone := z.zoneOf(h.Name)
	if n := zone.names[h.Name]; n != nil && (n.sets[h.Rrtype] != nil || n.sets[dns.TypeCNAME] != nil) {
		return
	}
	for _, rr := range set {
		zone.add(rr)
	}
}

// suggestHost makes a name lead where a host does, unless the file says where it leads.
func (z *Zones) suggestHost(qname string, h *Host) {
	zone := z.zoneOf(qname)
	n := zone.at(qname)
	if n.host == nil && n.sets[dns.TypeA] == nil && n.sets[dns.TypeAAAA] == nil && n.sets[dns.TypeCNAME] == nil {
		n.host = h
	}
}

// nameFallback gives the host that takes mail its second name, where there is a second region to lead to.
func (z *Zones) nameFallback(c *config.Zone, hosts []*Host) {
	i := slices.IndexFunc(hosts, func(h *Host) bool { return slices.Contains(h.Services, "smtp") })
	places := 0
	for _, r := range z.topology.Regions {
		if len(r.Addresses) > 0 {
			places++
		}
	}
	if i >= 0 && places > 1 {
		hosts[i].Fallback = dns.Fqdn(c.Fallback(c.Hosts[i].Name))
	}
}

// addFallbacks makes the second names of hosts. One that the file has is left as it is.
func (z *Zones) addFallbacks(hosts []*Host) {
	for _, h := range hosts {
		if h.Fallback == "" {
			continue
		}
		z.suggestHost(h.Fallback, h)
		if n := h.zone.names[h.Fallback]; n.host == h {
			n.next = true
		}
	}
}
