package config

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// lint looks at the records of all zones together, those of the file and those that are made: what is allowed in a
// zone and does not work.
type lint struct {
	entries []*zoneEntry
	types   map[string][]uint16 // by name
}

func (b *builder) lintRecords(entries []*zoneEntry) {
	l := &lint{entries: entries, types: make(map[string][]uint16)}
	for _, z := range entries {
		l.note(z)
	}
	for _, z := range entries {
		l.noteMade(z)
	}
	for _, z := range entries {
		if z.check == nil {
			continue
		}
		for _, record := range z.parsed {
			l.target(z.check, record)
			l.policy(z.check, record)
			l.alias(z.check, record)
		}
		l.senders(z)
	}
}

// note collects the types that names have, as far as the checks ask for them.
func (l *lint) note(z *zoneEntry) {
	for _, h := range z.Hosts {
		l.add(z.absolute(h.Name), dns.TypeA)
	}
	for _, ns := range z.Nameservers {
		if len(ns.Addresses) > 0 {
			l.add(z.absolute(ns.Name), dns.TypeA)
		}
	}
	for _, record := range z.parsed {
		l.add(canonical(record.Header().Name), record.Header().Rrtype)
	}
}

// noteMade adds the names that are made of the topology. They give way to those of the file.
func (l *lint) noteMade(z *zoneEntry) {
	var made []string
	if h := z.listing("smtp"); h != nil {
		made = append(made, z.Fallback(h.Name))
	}
	if z.listing("http") != nil {
		for _, domain := range z.Domains {
			made = append(made, "mta-sts."+domain)
		}
	}
	for _, name := range made {
		if l.types[name] == nil {
			l.add(name, dns.TypeA)
		}
	}
}

func (l *lint) add(name string, kind uint16) { l.types[name] = append(l.types[name], kind) }

// listing is the first host that lists a service: mail records lead to it.
func (z *zoneEntry) listing(service string) *Host {
	i := slices.IndexFunc(z.Hosts, func(h Host) bool { return slices.Contains(h.Services, service) })
	if i < 0 {
		return nil
	}
	return &z.Hosts[i]
}

// target looks at where mail and services are sent: to a name with addresses, not to an alias (RFC 2181, 10.3).
func (l *lint) target(r *recordCheck, record dns.RR) {
	var target, kind string
	switch record := record.(type) {
	case *dns.MX:
		target, kind = canonical(record.Mx), "MX"
	case *dns.SRV:
		target, kind = canonical(record.Target), "SRV"
	}
	if target == "" || !l.ours(target) { // "" is nowhere, on purpose (RFC 7505, 3)
		return
	}
	owner := canonical(record.Header().Name)
	switch types := l.typesOf(target); {
	case slices.Contains(types, dns.TypeCNAME):
		r.warnf(r.find(owner), "records: %s of %q leads to %q, which is an alias: some senders do not follow it (RFC 2181, 10.3)", kind, owner, target)
	case !slices.Contains(types, dns.TypeA) && !slices.Contains(types, dns.TypeAAAA):
		r.warnf(r.find(owner), "records: %s of %q leads to %q, which has no address", kind, owner, target)
	}
}

// ours says whether a name is in one of the zones, and not in one that is delegated from it.
func (l *lint) ours(name string) bool {
	for above := name; above != ""; _, above, _ = strings.Cut(above, ".") {
		apex := slices.ContainsFunc(l.entries, func(z *zoneEntry) bool { return z.Name == above })
		if apex || slices.Contains(l.types[above], dns.TypeNS) {
			return apex
		}
	}
	return false
}

// typesOf is the types of a name, or of the wildcard that stands for it.
func (l *lint) typesOf(name string) []uint16 {
	if types, exists := l.types[name]; exists {
		return types
	}
	for _, above, more := strings.Cut(name, "."); more; _, above, more = strings.Cut(above, ".") {
		if types, exists := l.types["*."+above]; exists {
			return types
		}
	}
	return nil
}

// policy looks for the host from which the policy of MTA-STS is fetched (RFC 8461, 3.3).
func (l *lint) policy(r *recordCheck, record dns.RR) {
	owner := canonical(record.Header().Name)
	domain, found := strings.CutPrefix(owner, "_mta-sts.")
	if _, text := record.(*dns.TXT); !found || !text || !l.ours("mta-sts."+domain) {
		return
	}
	if types := l.typesOf("mta-sts." + domain); len(types) == 0 {
		r.warnf(r.find(owner), "records: %q announces MTA-STS, but %q does not exist, from where senders fetch the policy (RFC 8461, 3.3)", owner, "mta-sts."+domain)
	}
}

// alias looks for what stands beside a CNAME: it would never be answered.
func (l *lint) alias(r *recordCheck, record dns.RR) {
	owner := canonical(record.Header().Name)
	if record.Header().Rrtype == dns.TypeCNAME && len(l.types[owner]) > 1 {
		r.warnf(r.find(owner), "records: CNAME of %q stands beside other records, which are not answered (RFC 1034, 3.6.2)", owner)
	}
}

// senders looks for names with two records of SPF: receivers take that for an error (RFC 7208, 4.5).
func (l *lint) senders(z *zoneEntry) {
	count := make(map[string]int)
	for _, record := range z.parsed {
		text, ok := record.(*dns.TXT)
		if !ok {
			continue
		}
		version, _, _ := strings.Cut(strings.ToLower(strings.Join(text.Txt, "")), " ")
		if owner := canonical(text.Hdr.Name); version == "v=spf1" {
			if count[owner]++; count[owner] == 2 {
				z.check.warnf(z.check.find(owner), "records: %q has two SPF records: receivers take that for an error (RFC 7208, 4.5)", owner)
			}
		}
	}
}
