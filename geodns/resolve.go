package geodns

import (
	"github.com/miekg/dns"
)

// maxChain bounds how many aliases are followed; a loop of them ends there.
const maxChain = 8

// resolve answers the question, following aliases as far as they stay in our zones (RFC 1034, 4.3.2).
func (a *answer) resolve() {
	question := a.query.Question[0]
	owner, qtype := question.Name, question.Qtype
	a.reply.Authoritative = true
	for range maxChain {
		zone := a.data.Zones.zoneFor(dns.CanonicalName(owner), qtype)
		if zone == nil {
			return
		}
		found := zone.find(dns.CanonicalName(owner), qtype)
		a.wildcard = found.wildcard
		switch {
		case found.cut != "":
			a.refer(zone, found.cut)
			return
		case found.name == nil:
			a.deny(zone, owner, nil)
			return
		}
		alias := found.name.alias(qtype)
		if alias == nil {
			a.give(zone, found.name, owner, qtype)
			return
		}
		a.add(&a.reply.Answer, zone, owned([]dns.RR{alias}, owner))
		owner = alias.Target
	}
}

// holds says whether a question is about one of the zones.
func (z *Zones) holds(q dns.Question) bool {
	return z.zoneFor(dns.CanonicalName(q.Name), q.Qtype) != nil
}

// zoneFor is the zone that answers for a type of a name: the deepest one, but what is said about a zone for its
// signatures is said by the zone above it (RFC 4035, 3.1.4.1).
func (z *Zones) zoneFor(qname string, qtype uint16) *Zone {
	zone := z.zoneOf(qname)
	if qtype == dns.TypeDS && zone != nil && zone.Name == qname {
		if parent := z.parent(zone); parent != nil {
			return parent
		}
	}
	return zone
}

// parent is the zone above a zone, if it is one of ours.
func (z *Zones) parent(zone *Zone) *Zone {
	if next, end := dns.NextLabel(zone.Name, 0); !end {
		return z.zoneOf(zone.Name[next:])
	}
	return nil
}

// found is what a zone has for a name.
type found struct {
	name *name  // nil: the name does not exist
	cut  string // the name belongs to another zone, which begins here

	wildcard bool // name is what stands for the one that was looked for
}

// find walks down from the zone's own name. A wildcard stands for what does not exist below the last name that does
// (RFC 4592, 3.3).
func (z *Zone) find(qname string, qtype uint16) found {
	encloser := z.Name
	for _, ancestor := range z.below(qname) {
		n := z.names[ancestor]
		if n == nil {
			return found{name: z.names["*."+encloser], wildcard: true}
		}
		if n.delegates() && !(ancestor == qname && qtype == dns.TypeDS) {
			return found{cut: ancestor}
		}
		encloser = ancestor
	}
	return found{name: z.names[qname]}
}

// below is the names between the zone's own and a name in it, from the top, with the name itself.
func (z *Zone) below(qname string) []string {
	var names []string
	for name := range above(qname) {
		if name == z.Name {
			break
		}
		names = append(names, name)
	}
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	return names
}

// delegates says whether another zone begins at a name below the zone's own.
func (n *name) delegates() bool { return len(n.sets[dns.TypeNS]) > 0 && len(n.sets[dns.TypeSOA]) == 0 }

// alias is the CNAME that stands for every type of a name but itself and what signs it; nil: there is none.
func (n *name) alias(qtype uint16) *dns.CNAME {
	set := n.sets[dns.TypeCNAME]
	if len(set) == 0 || qtype == dns.TypeCNAME || qtype == dns.TypeANY || qtype == dns.TypeNSEC || qtype == dns.TypeRRSIG {
		return nil
	}
	return set[0].(*dns.CNAME)
}

// give answers with what a name has.
func (a *answer) give(zone *Zone, n *name, owner string, qtype uint16) {
	set := a.records(n, owner, qtype)
	switch {
	case qtype == dns.TypeANY || qtype == dns.TypeRRSIG:
		set = anything(zone, n, owner)
	case qtype == dns.TypeNSEC && zone.signer != nil:
		set = []dns.RR{zone.nsec(owner, n)}
	}
	if len(set) == 0 {
		a.deny(zone, owner, n)
		return
	}
	a.add(&a.reply.Answer, zone, set)
	if qtype == dns.TypeNS {
		a.addGlue(set)
	}
}

// anything is the short answer to the question for all that a name has (RFC 8482, 4.2). An alias is given as it is:
// whoever asks would follow it.
func anything(zone *Zone, n *name, owner string) []dns.RR {
	if alias := n.sets[dns.TypeCNAME]; len(alias) > 0 {
		return owned(alias, owner)
	}
	return []dns.RR{&dns.HINFO{Hdr: header(owner, dns.TypeHINFO, zone.ttl), Cpu: "RFC8482"}}
}

// refer points to the zone that a name belongs to. What an alias leads to is for the client to find.
func (a *answer) refer(zone *Zone, cut string) {
	if len(a.reply.Answer) > 0 {
		return
	}
	a.reply.Authoritative = false
	a.referral = true
	n := zone.names[cut]
	a.reply.Ns = append(a.reply.Ns, n.sets[dns.TypeNS]...) // not signed: the other zone's own are (RFC 4035, 2.2)
	a.addGlue(n.sets[dns.TypeNS])
	if ds := n.sets[dns.TypeDS]; len(ds) > 0 {
		a.add(&a.reply.Ns, zone, ds)
	} else {
		a.prove(zone, cut, n)
	}
}

// addGlue adds the addresses of nameservers that the zones here know.
func (a *answer) addGlue(set []dns.RR) {
	for _, rr := range set {
		target := dns.CanonicalName(rr.(*dns.NS).Ns)
		if zone := a.data.Zones.zoneOf(target); zone != nil {
			if n := zone.names[target]; n != nil {
				a.reply.Extra = append(a.reply.Extra, n.sets[dns.TypeA]...)
				a.reply.Extra = append(a.reply.Extra, n.sets[dns.TypeAAAA]...)
			}
		}
	}
}

// deny says that a name does not exist, with n nil, or that it has nothing of the type. The SOA's TTL is how long
// that may be kept (RFC 2308, 3). That a name has no records of a type does not depend on who asks.
func (a *answer) deny(zone *Zone, owner string, n *name) {
	a.byRegion = false
	if n == nil && a.saysNameError(zone) {
		a.reply.Rcode = dns.RcodeNameError
	}
	a.add(&a.reply.Ns, zone, []dns.RR{zone.soa})
	a.prove(zone, owner, n)
}
