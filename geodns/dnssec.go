package geodns

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Signatures are made anew every day, and hold for a week after the last moment at which they are given out: no
// resolver keeps an answer longer. They hold from an hour before, for clocks that are late.
const (
	signEvery   = 24 * time.Hour
	signedFor   = 7 * 24 * time.Hour
	signedSince = time.Hour
)

// maxSigned bounds the signatures that are kept. Names that do not exist are without number, so what is said about
// them is not kept; the rest is a few for each name.
const maxSigned = 1 << 16

// signer signs the records of a zone when they are asked for.
type signer struct {
	zone string
	keys []Key            // that sign
	now  func() time.Time // the wall clock: signatures are compared with it elsewhere

	mu   sync.Mutex // guards the following
	day  time.Time  // of the signatures that are kept
	kept map[string][]dns.RR
}

// newSigner makes the signer of a zone from the keys that have a private half.
func newSigner(zone string, keys []Key, now func() time.Time) *signer {
	s := &signer{zone: zone, now: now, kept: make(map[string][]dns.RR)}
	for _, k := range keys {
		if k.private != nil {
			s.keys = append(s.keys, k)
		}
	}
	return s
}

// dayOf is the day of the signatures that are made at a time.
func dayOf(now time.Time) time.Time { return now.Truncate(signEvery) }

// day is that of today.
func (z *Zones) day() time.Time { return dayOf(z.now()) }

// sign returns the signatures of a set of records. keep says that the set is one of a limited number.
func (s *signer) sign(set []dns.RR, keep bool) ([]dns.RR, error) {
	day := dayOf(s.now())
	if !keep {
		return s.make(set, day)
	}
	id := identity(set)
	if signatures := s.known(id, day); signatures != nil {
		return owned(signatures, set[0].Header().Name), nil
	}
	signatures, err := s.make(set, day)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.day.Equal(day) && len(s.kept) < maxSigned {
		s.kept[id] = signatures
	}
	return signatures, nil
}

// known is the signatures of a set that was signed already on that day.
func (s *signer) known(id string, day time.Time) []dns.RR {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.day.Equal(day) || len(s.kept) >= maxSigned {
		s.day = day
		clear(s.kept)
	}
	return s.kept[id]
}

// identity tells sets apart by all that is signed: the owner, and the records with type and TTL in any order.
func identity(set []dns.RR) string {
	owner := set[0].Header().Name
	parts := make([]string, len(set))
	for i, rr := range set {
		b := make([]byte, dns.Len(rr)+1)
		begin, _ := dns.PackDomainName(owner, b, 0, nil, false)
		end, err := dns.PackRR(rr, b, 0, nil, false)
		if err != nil {
			end = begin // make fails on it, too
		}
		parts[i] = string(b[begin:end])
	}
	slices.Sort(parts)
	return dns.CanonicalName(owner) + strings.Join(parts, "")
}

// make signs a set with every key whose part that is: one while no key is on its way in or out.
func (s *signer) make(set []dns.RR, day time.Time) ([]dns.RR, error) {
	h := set[0].Header()
	var signatures []dns.RR
	for _, k := range s.signing(h.Rrtype) {
		rrsig := &dns.RRSIG{
			Hdr:       header(h.Name, dns.TypeRRSIG, h.Ttl),
			Algorithm: k.Record.Algorithm, KeyTag: k.Record.KeyTag(), SignerName: s.zone,
			Inception: uint32(day.Add(-signedSince).Unix()), Expiration: uint32(day.Add(signEvery + signedFor).Unix()),
		}
		if err := rrsig.Sign(k.private, set); err != nil {
			return nil, fmt.Errorf("signing %s of %s: %w", dns.TypeToString[h.Rrtype], h.Name, err)
		}
		signatures = append(signatures, rrsig)
	}
	return signatures, nil
}

// signing is the keys that sign sets of a type: keys, and what is said about keys, are signed by those that the zone
// above knows (RFC 7344, 4.1), the rest by the others, where there are both kinds.
func (s *signer) signing(rrtype uint16) []Key {
	aboutKeys := rrtype == dns.TypeDNSKEY || rrtype == dns.TypeCDS || rrtype == dns.TypeCDNSKEY
	var fit []Key
	for _, k := range s.keys {
		if k.SignsKeys() == aboutKeys {
			fit = append(fit, k)
		}
	}
	if len(fit) == 0 {
		return s.keys
	}
	return fit
}

// addKeys adds what a zone says about its keys: the keys, and for the zone above which of them to vouch for
// (RFC 7344, 3).
func (z *Zone) addKeys(keys []Key) {
	for _, k := range keys {
		z.add(k.Record)
		if !k.SignsKeys() || k.private == nil {
			continue
		}
		cds, cdnskey := &dns.CDS{DS: *k.DS()}, &dns.CDNSKEY{DNSKEY: *k.Record}
		cds.Hdr.Rrtype, cdnskey.Hdr.Rrtype = dns.TypeCDS, dns.TypeCDNSKEY
		z.add(cds)
		z.add(cdnskey)
	}
}

// nsec proves in the compact way (RFC 9824) that a name has nothing but the given types: nothing lies between the
// name and the next possible one, so one record is enough. A name that does not exist has the type NXNAME.
func (z *Zone) nsec(owner string, n *name) *dns.NSEC {
	types := []uint16{dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNXNAME}
	if n != nil {
		types = append(n.types(), dns.TypeRRSIG, dns.TypeNSEC)
	}
	slices.SortFunc(types, cmp.Compare)
	return &dns.NSEC{Hdr: header(owner, dns.TypeNSEC, z.ttl), NextDomain: successor(owner, z.Name), TypeBitMap: types}
}

// types is the types of records that a name has, for everybody and always. At the beginning of another zone they are
// those that are this zone's to say (RFC 4035, 2.3).
func (n *name) types() []uint16 {
	var types []uint16
	for rrtype := range n.sets {
		if !n.delegates() || rrtype == dns.TypeNS || rrtype == dns.TypeDS {
			types = append(types, rrtype)
		}
	}
	if n.host != nil && n.host.v4 {
		types = append(types, dns.TypeA)
	}
	if n.host != nil && n.host.v6 {
		types = append(types, dns.TypeAAAA)
	}
	return types
}
