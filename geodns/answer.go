package geodns

import (
	"net/netip"

	"github.com/miekg/dns"
)

// Answer answers a query that came from an address. It returns nil for what is to get no answer. It is pure: the same
// data and query make the same answer. Cookies and rate limits are the server's.
func (d *Data) Answer(q *dns.Msg, from netip.Addr, udp bool) *dns.Msg {
	return d.answer(q, udp, func(s *dns.EDNS0_SUBNET) Place { return d.placeOf(s, from) })
}

// AnswerAt answers a query of a client in a place, wherever the query says that it is.
func (d *Data) AnswerAt(q *dns.Msg, at Place, udp bool) *dns.Msg {
	return d.answer(q, udp, func(*dns.EDNS0_SUBNET) Place { return at })
}

func (d *Data) answer(q *dns.Msg, udp bool, locate func(*dns.EDNS0_SUBNET) Place) *dns.Msg {
	if q.Response {
		return nil
	}
	a := answer{data: d, query: q, udp: udp}
	if rcode := a.check(); rcode != dns.RcodeSuccess {
		return a.refuse(rcode)
	}
	a.reply = reply(q)
	if len(q.Question) == 0 { // asks for a cookie and nothing else (RFC 7873, 5.4)
		a.addEDNS()
		return a.reply
	}
	if !d.Zones.holds(q.Question[0]) {
		return a.refuse(dns.RcodeRefused)
	}
	a.at = locate(a.subnet)
	a.resolve()
	if a.failed {
		return a.refuse(dns.RcodeServerFailure)
	}
	a.addEDNS()
	a.fit()
	return a.reply
}

// answer is one answer while it is made.
type answer struct {
	data   *Data
	query  *dns.Msg
	udp    bool
	edns   *dns.OPT          // of the query, or nil
	subnet *dns.EDNS0_SUBNET // of the query, or nil
	cookie bool              // the query has one, and the server will add its own
	at     Place

	reply    *dns.Msg
	byRegion bool // the answer depends on at
	wildcard bool // the name is one of many that do not exist by themselves
	failed   bool // a signature could not be made
	referral bool // the additional section holds addresses that the answer is of no use without
}

// check finds what cannot be answered, whatever is asked.
func (a *answer) check() (rcode int) {
	q := a.query
	rcode = a.readEDNS()
	switch {
	case q.Opcode != dns.OpcodeQuery:
		return dns.RcodeNotImplemented
	case rcode != dns.RcodeSuccess:
		return rcode
	case len(q.Question) == 0 && a.cookie:
		return dns.RcodeSuccess
	case len(q.Question) != 1:
		return dns.RcodeFormatError
	case q.Question[0].Qclass != dns.ClassINET: // CHAOS would tell versions
		return dns.RcodeRefused
	}
	switch q.Question[0].Qtype {
	case dns.TypeOPT, dns.TypeNXNAME: // RFC 6891, 6.1.1; RFC 9824, 3.5
		return dns.RcodeFormatError
	case dns.TypeAXFR, dns.TypeIXFR: // zones are made on every server from the topology
		return dns.RcodeRefused
	}
	return dns.RcodeSuccess
}

// reply is an empty reply to a query.
func reply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Compress = true
	return m
}

// refuse is a reply that is not larger than the query, so that nobody gains from asking in another's name.
func (a *answer) refuse(rcode int) *dns.Msg {
	m := reply(a.query)
	m.Rcode = rcode
	if a.query.Opcode != dns.OpcodeQuery || len(a.query.Question) != 1 {
		m.Question = nil
	}
	if a.edns != nil {
		m.Extra = append(m.Extra, a.newOPT())
	}
	return m
}

// records is what a name has of a type. owner is the name as it was asked for.
func (a *answer) records(n *name, owner string, qtype uint16) []dns.RR {
	v6 := qtype == dns.TypeAAAA
	if n.host == nil || qtype != dns.TypeA && !v6 {
		return owned(n.sets[qtype], owner)
	}
	a.byRegion = true
	choice, ok := a.data.choose(n.host, a.at, v6, n.next)
	if !ok {
		return nil
	}
	set := make([]dns.RR, len(choice.Addresses))
	for i, address := range choice.Addresses {
		set[i] = addressRecord(owner, address, choice.TTL)
	}
	return rotated(set, a.query.Id)
}

// owned is a set of records under the name by which they were asked for: with its capitals, which a resolver compares
// with those that it sent, and in place of a wildcard.
func owned(set []dns.RR, owner string) []dns.RR {
	if len(set) == 0 || set[0].Header().Name == owner {
		return set
	}
	copies := make([]dns.RR, len(set))
	for i, rr := range set {
		copies[i] = dns.Copy(rr)
		copies[i].Header().Name = owner
	}
	return copies
}

// rotated is a set that begins with another record for each id, and so for each query: clients that take the first
// are spread over all.
func rotated(set []dns.RR, id uint16) []dns.RR {
	turned := make([]dns.RR, len(set))
	for i := range set {
		turned[i] = set[(i+int(id))%len(set)]
	}
	return turned
}
