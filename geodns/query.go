package geodns

import (
	"encoding/binary"

	"github.com/miekg/dns"
	"golang.org/x/net/dns/dnsmessage"
)

// ReadQuery reads a packet. It returns the query that it is, or the reply to what is none, or neither where silence is
// the answer: a reply to a response could go to and fro for ever. The library takes some malformed options for good
// ones, so these are looked at here, in the bytes.
func ReadQuery(packet []byte) (query, reply *dns.Msg) {
	const headerLength = 12
	if len(packet) < headerLength || packet[2]&0x80 != 0 {
		return nil, nil
	}
	q := new(dns.Msg)
	if err := q.Unpack(packet); err != nil {
		return nil, bareReply(packet)
	}
	if len(q.Question) == 1 && len(packet) < headerLength+len(wireName(q.Question[0].Name))+4 {
		return nil, bareReply(packet) // the name points into the header: written out it would be more than was sent
	}
	if q.Opcode == dns.OpcodeQuery && malformedSubnet(packet) {
		a := answer{query: q, edns: q.IsEdns0()}
		return nil, a.refuse(dns.RcodeFormatError)
	}
	return q, nil
}

// bareReply is a header without anything, for a packet of which nothing more than that can be read.
func bareReply(packet []byte) *dns.Msg {
	flags := binary.BigEndian.Uint16(packet[2:])
	m := new(dns.Msg)
	m.Id = binary.BigEndian.Uint16(packet)
	m.Response = true
	m.Opcode = int(flags >> 11 & 0xf)
	m.RecursionDesired = flags&0x100 != 0
	m.Rcode = dns.RcodeFormatError
	if m.Opcode != dns.OpcodeQuery {
		m.Rcode = dns.RcodeNotImplemented
	}
	return m
}

// malformedSubnet says whether a packet has a client subnet with more or fewer octets than its length says
// (RFC 7871, 6). The rest of what can be wrong with it is seen in the query as it was read.
func malformedSubnet(packet []byte) bool {
	var p dnsmessage.Parser
	if _, err := p.Start(packet); err != nil {
		return true
	}
	if p.SkipAllQuestions() != nil || p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return true
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return err != dnsmessage.ErrSectionDone
		}
		if h.Type != dnsmessage.TypeOPT {
			if p.SkipAdditional() != nil {
				return true
			}
			continue
		}
		opt, err := p.OPTResource()
		if err != nil {
			return true
		}
		for _, o := range opt.Options {
			if o.Code == dns.EDNS0SUBNET && (len(o.Data) < 4 || len(o.Data) != 4+(int(o.Data[2])+7)/8) {
				return true
			}
		}
	}
}
