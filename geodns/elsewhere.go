package geodns

import (
	"slices"

	"github.com/miekg/dns"

	"posthouse/config"
)

// Delegation is what the zone above a zone needs to lead to it: nameservers, their addresses if they are in the zone
// themselves, and which key signs it. It is nil for a zone that is not one of ours.
func (z *Zones) Delegation(name string) []dns.RR {
	zone := z.zones[dns.CanonicalName(name)]
	if zone == nil {
		return nil
	}
	apex := zone.names[zone.Name]
	all := slices.Clone(apex.sets[dns.TypeNS])
	for _, rr := range apex.sets[dns.TypeNS] {
		server := dns.CanonicalName(rr.(*dns.NS).Ns)
		if n := zone.names[server]; n != nil {
			all = append(append(all, n.sets[dns.TypeA]...), n.sets[dns.TypeAAAA]...)
		}
	}
	if zone.signer != nil {
		for _, k := range zone.signer.keys {
			if k.SignsKeys() {
				all = append(all, k.DS())
			}
		}
	}
	return all
}

// MailRecords is what a mail domain needs in a zone that another name server answers for. Services are found at the
// hosts of the topology's zones, or at the cluster's own name where it has none. Web names are aliases there: only we
// could answer them by region.
func MailRecords(t *config.Topology, domain string) []dns.RR {
	m := &mailDomain{name: dns.CanonicalName(domain), ttl: keyTTL, topology: t}
	addresses := m.takeHosts()
	all := append(m.records(), addresses...)
	web := m.web()
	if web == nil {
		return all
	}
	for _, label := range webNames {
		all = append(all, &dns.CNAME{Hdr: header(label+"."+m.name, dns.TypeCNAME, m.ttl), Target: web.Name})
	}
	return all
}

// MailKeys is TLSA for a mail domain whose services are at the cluster's own name, of those whose TLS ends here: senders believe it where
// the zone of that name is signed (RFC 7672, 2.2). Hosts of the topology's zones have theirs there, if at all.
func MailKeys(t *config.Topology, domain string) ([]dns.RR, error) {
	m := &mailDomain{name: dns.CanonicalName(domain), ttl: keyTTL, topology: t}
	if m.zone() != nil || !slices.ContainsFunc(t.Services, endsTLS) {
		return nil, nil
	}
	certificates, err := readCertificates(t.TLS.Certificates)
	if err != nil {
		return nil, err
	}
	m.takeHosts()
	h := m.hosts[0]
	return tlsaOf(t, h.Services, h.Name, m.ttl, certificates), nil
}

// takeHosts finds the hosts of a domain: of the zone that lists it, else of the first that has any. Without one the
// cluster's name stands for everything that clients reach, and its addresses, if we know them, are part of the answer.
func (m *mailDomain) takeHosts() (addresses []dns.RR) {
	t := m.topology
	if zone := m.zone(); zone != nil {
		m.tlsrpt = zone.TLSRPT
		z := &Zones{topology: t, runs: allRuns(t)}
		m.hosts = z.newHosts(&Zone{Name: dns.Fqdn(zone.Name), ttl: m.ttl}, zone)
		return nil
	}
	h := &Host{Name: dns.CanonicalName(t.Cluster)}
	for _, s := range t.Services {
		fronted := slices.ContainsFunc(t.Regions, func(r *config.Region) bool { return len(s.ListenIn(r.Name)) > 0 })
		if s.Live && fronted {
			h.Services = append(h.Services, s.Name)
		}
	}
	m.hosts = []*Host{h}
	for _, r := range t.Regions {
		for _, a := range r.Addresses {
			addresses = append(addresses, addressRecord(h.Name, a, m.ttl))
		}
	}
	return addresses
}

// zone is the zone whose hosts serve the domain; nil: there is none.
func (m *mailDomain) zone() *config.Zone {
	if m.topology.DNS == nil {
		return nil
	}
	var first *config.Zone
	for _, z := range m.topology.DNS.Zones {
		if slices.Contains(z.Domains, m.name[:len(m.name)-1]) {
			return z
		}
		if first == nil && len(z.Hosts) > 0 {
			first = z
		}
	}
	return first
}
