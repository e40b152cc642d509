package geodns

import (
	"bytes"

	"github.com/miekg/dns"
)

// add appends a set of records to a section, with its signatures for those who want them.
func (a *answer) add(section *[]dns.RR, zone *Zone, set []dns.RR) {
	*section = append(*section, set...)
	if !a.signed(zone) {
		return
	}
	keep := !a.wildcard || set[0].Header().Rrtype == dns.TypeSOA
	signatures, err := zone.signer.sign(set, keep)
	if err != nil {
		a.failed = true
		return
	}
	*section = append(*section, signatures...)
}

// signed says whether the client gets signatures from a zone.
func (a *answer) signed(zone *Zone) bool {
	return zone.signer != nil && a.edns != nil && a.edns.Do()
}

// prove appends what proves that a name has nothing, or that it has nothing of a type.
func (a *answer) prove(zone *Zone, owner string, n *name) {
	if a.signed(zone) {
		a.add(&a.reply.Ns, zone, []dns.RR{zone.nsec(owner, n)})
	}
}

// saysNameError says whether the rcode of the answer is NXDOMAIN where a name does not exist. In the proof the name
// exists and has no types, so a validator that does not know of NXNAME would take the rcode for forged (RFC 9824,
// 3.1 and 5.1).
func (a *answer) saysNameError(zone *Zone) bool { return !a.signed(zone) || a.edns.Co() }

// successor is the name that comes right after a name of a zone in the order of RFC 4034, 6.1: a label of one zero
// octet in front of it, or what comes after where no label fits any more.
func successor(qname, zone string) string {
	const maxName = 255
	name, origin := wireName(qname), wireName(zone)
	if len(name)+2 <= maxName {
		return `\000.` + dns.CanonicalName(qname)
	}
	for len(name) > len(origin) {
		if next, ok := nextLabel(name, maxName); ok {
			s, _, _ := dns.UnpackDomainName(next, 0)
			return s
		}
		name = name[1+name[0]:] // nothing follows among its siblings
	}
	return zone
}

// wireName is a name in lower case as it is sent.
func wireName(s string) []byte {
	b := make([]byte, 256)
	n, err := dns.PackDomainName(dns.CanonicalName(s), b, 0, nil, false)
	if err != nil {
		return nil // not a name that was read from a packet or a file
	}
	return b[:n]
}

// nextLabel is a name with the first label that comes after its first one.
func nextLabel(name []byte, longest int) ([]byte, bool) {
	const maxLabel = 63
	label, rest := bytes.Clone(name[1:1+name[0]]), name[1+name[0]:]
	if len(label) < maxLabel && len(name) < longest {
		label = append(label, 0)
	} else {
		label = bytes.TrimRight(label, "\xff")
		if len(label) == 0 {
			return nil, false
		}
		last := &label[len(label)-1]
		if *last++; *last == 'A' { // capitals count as small letters, which come later
			*last = '['
		}
	}
	return append(append([]byte{byte(len(label))}, label...), rest...), true
}
