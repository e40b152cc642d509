package geodns

import (
	"encoding/hex"

	"github.com/miekg/dns"
)

// udpSize is the largest answer over UDP. Larger ones are fragmented on some paths, and fragments are lost or forged.
const udpSize = 1232

// cookieRoom is left for the cookie that the server adds: code, length, eight octets of the client's and sixteen of
// ours (RFC 9018, 4).
const cookieRoom = 4 + 8 + 16

// readEDNS reads the query's OPT record (RFC 6891). Options that we do not know are ignored.
func (a *answer) readEDNS() (rcode int) {
	for _, rr := range a.query.Extra {
		opt, ok := rr.(*dns.OPT)
		if !ok {
			continue
		}
		if a.edns != nil || opt.Hdr.Name != "." {
			return dns.RcodeFormatError // RFC 6891, 6.1.1
		}
		a.edns = opt
	}
	if a.edns == nil {
		return dns.RcodeSuccess
	}
	if a.edns.Version() != 0 {
		return dns.RcodeBadVers
	}
	for _, o := range a.edns.Option {
		switch o := o.(type) {
		case *dns.EDNS0_SUBNET:
			if a.subnet != nil || !wellFormed(o) {
				return dns.RcodeFormatError
			}
			a.subnet = o
		case *dns.EDNS0_COOKIE:
			a.cookie = true
		}
	}
	return dns.RcodeSuccess
}

// newOPT is the OPT record of every reply to a query that has one. DO comes back as it was (RFC 3225, 3).
func (a *answer) newOPT() *dns.OPT {
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(udpSize)
	if a.edns.Do() {
		opt.SetDo()
	}
	return opt
}

// setCompact says that the answer may deny in the compact way, to those who ask (RFC 9824, 5.1).
func (a *answer) setCompact(opt *dns.OPT) {
	for _, z := range a.data.Zones.zones {
		if z.signer != nil && a.edns.Do() && a.edns.Co() {
			opt.SetCo()
			return
		}
	}
}

// addEDNS adds our OPT record with the options that the query asks for.
func (a *answer) addEDNS() {
	if a.edns == nil {
		return
	}
	opt := a.newOPT()
	a.setCompact(opt)
	if s := a.subnet; s != nil {
		opt.Option = append(opt.Option, a.scoped(s))
	}
	if a.asksIdentity() {
		opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: hex.EncodeToString([]byte(a.data.Identity))})
	}
	a.reply.Extra = append(a.reply.Extra, opt)
}

// scoped is the query's client subnet with the scope of the answer (RFC 7871, 7.2.1): geography alone decides it, and
// it is 0 where everybody gets the same.
func (a *answer) scoped(s *dns.EDNS0_SUBNET) *dns.EDNS0_SUBNET {
	scoped := *s
	if a.byRegion && s.SourceNetmask > 0 {
		scoped.SourceScope = a.at.Bits
	}
	return &scoped
}

func (a *answer) asksIdentity() bool {
	if a.data.Identity == "" {
		return false
	}
	for _, o := range a.edns.Option {
		if o.Option() == dns.EDNS0NSID {
			return true
		}
	}
	return false
}

// limit is how large the answer may be.
func (a *answer) limit() int {
	size := dns.MaxMsgSize - 1
	if a.udp {
		size = dns.MinMsgSize
		if a.edns != nil {
			size = min(udpSize, max(size, int(a.edns.UDPSize())))
		}
	}
	if a.cookie {
		size -= cookieRoom
	}
	return size
}

// fit makes an answer as small as it has to be. Addresses that only save a question go first; what is of no use
// without the rest is left out whole, and the client told to come back over TCP (RFC 2181, 9; RFC 9471, 3).
func (a *answer) fit() {
	limit := a.limit()
	if a.fits(limit) {
		return
	}
	opt := a.reply.IsEdns0()
	a.reply.Extra = nil
	if opt != nil {
		a.reply.Extra = []dns.RR{opt}
	}
	a.reply.Truncated = a.referral
	if a.fits(limit) {
		return
	}
	a.reply.Answer, a.reply.Ns = nil, nil
	a.reply.Truncated = true
}

// fits says whether an answer is small enough. The library's estimate is some bytes too large for names that have to be escaped as text,
// as those of denials are: what is over it is packed to see.
func (a *answer) fits(limit int) bool {
	if a.reply.Len() <= limit {
		return true
	}
	packed, err := a.reply.Pack()
	return err == nil && len(packed) <= limit
}
