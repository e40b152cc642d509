package geodns

import (
	"net/netip"

	"github.com/miekg/dns"
)

// Answer answers a query that came from an address. It returns nil for what is to get no answer. It is pure: the same
// data and query make the same answer. Cookies and rate limits are the server's.
func (d *Data) Answer(q *dns.Msg, from netip.Addr, udp bool) *dns.Msg {
	return d.AnswerAt(q, d.Place(from.Unmap()), udp)
}

// Place is where an address is.
func (d *Data) Place(a netip.Addr) Place {
	if d.Places == nil {
		return Place{}
	}
	order, bits := d.Places.Lookup(a)
	return Place{order, bits}
}

// AnswerAt answers a query of a client in a place.
func (d *Data) AnswerAt(q *dns.Msg, at Place, udp bool) *dns.Msg {
	if q.Response {
		return nil
	}
	m := new(dns.Msg).SetReply(q)
	m.Compress = true
	switch {
	case q.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
		return m
	case len(q.Question) != 1:
		m.Rcode = dns.RcodeFormatError
		return m
	}
	question := q.Question[0]
	qname := dns.CanonicalName(question.Name)
	zone := d.Zones.zoneOf(qname)
	if zone == nil || question.Qclass != dns.ClassINET {
		m.Rcode = dns.RcodeRefused
		return m
	}
	m.Authoritative = true
	n := zone.names[qname]
	if n == nil {
		m.Rcode = dns.RcodeNameError
	} else {
		m.Answer = d.records(n, question, at, q.Id)
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, zone.soa)
	}
	return m
}

// records is what a name has of the type that is asked for. The addresses of a region begin with another one for
// each id, and so for each query: clients that take the first are spread over them.
func (d *Data) records(n *name, question dns.Question, at Place, id uint16) []dns.RR {
	v6 := question.Qtype == dns.TypeAAAA
	if n.host == nil || question.Qtype != dns.TypeA && !v6 {
		return n.sets[question.Qtype]
	}
	choice, ok := d.choose(n.host, at, v6, n.next)
	if !ok {
		return nil
	}
	all := make([]dns.RR, len(choice.Addresses))
	for i := range all {
		a := choice.Addresses[(i+int(id))%len(all)]
		all[i] = address(question.Name, a, choice.TTL)
	}
	return all
}
