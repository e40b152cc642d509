package geodns

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"
)

// Bits of the third and fourth byte of a header (RFC 1035, 4.1.1; RFC 4035, 3).
const (
	flagTC = 0x02
	flagRD = 0x01
	flagAD = 0x20
	flagCD = 0x10
)

const optSize = 11 // bytes of an OPT record without options (RFC 6891, 6.1.2)

// asking is a question as the fast path understands it.
type asking struct {
	end       int // of the question section
	qtype     uint16
	edns      bool
	dnssec    int    // 1: DO
	size      int    // the client's limit for UDP
	subnet    []byte // the option with its code and length; nil: none
	client    netip.Prefix
	cookie    []byte // nil: none
	id        uint16
	nameEnd   int
	questions wireText
}

// read reads a question. false: it may well be one, but not one that is answered here.
func (a *asking) read(q []byte) bool {
	const simple, additional = 0x0001_0000_0000_0000, 1
	if len(q) < headerSize+5 || q[2]&^flagRD != 0 || q[3]&^(flagAD|flagCD) != 0 {
		return false
	}
	counts := binary.BigEndian.Uint64(q[4:])
	if counts&^additional != simple {
		return false
	}
	a.id = binary.BigEndian.Uint16(q)
	a.nameEnd = nameEnd(q, headerSize)
	a.end = a.nameEnd + 4
	if a.nameEnd == 0 || len(q) < a.end || binary.BigEndian.Uint16(q[a.nameEnd+2:]) != dns.ClassINET {
		return false
	}
	a.qtype = binary.BigEndian.Uint16(q[a.nameEnd:])
	a.subnet, a.cookie, a.dnssec, a.size = nil, nil, 0, dns.MinMsgSize
	a.edns = counts&additional != 0
	if a.edns {
		return a.readOPT(q[a.end:])
	}
	return len(q) == a.end
}

// readOPT reads an OPT record of version 0, without flags but DO, that is the end of the packet.
func (a *asking) readOPT(b []byte) bool {
	if len(b) < optSize || b[0] != 0 || b[1] != 0 || b[2] != byte(dns.TypeOPT) || b[5] != 0 || b[6] != 0 || b[7]&^0x80 != 0 || b[8] != 0 {
		return false
	}
	a.size = min(udpSize, max(dns.MinMsgSize, int(binary.BigEndian.Uint16(b[3:]))))
	a.dnssec = int(b[7] >> 7)
	if int(binary.BigEndian.Uint16(b[9:])) != len(b)-optSize {
		return false
	}
	for b = b[optSize:]; len(b) > 0; {
		if len(b) < 4 {
			return false
		}
		code, size := binary.BigEndian.Uint16(b), 4+int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < size {
			return false
		}
		switch {
		case code == dns.EDNS0SUBNET && a.subnet == nil && a.readSubnet(b[4:size]):
			a.subnet = b[:size]
		case code == dns.EDNS0COOKIE && a.cookie == nil && (size == 4+clientCookie || size == 4+wholeCookie):
			a.cookie = b[4:size]
		default:
			return false
		}
		b = b[size:]
	}
	return true
}

// readSubnet reads a client subnet (RFC 7871, 6) with a source length above 0.
func (a *asking) readSubnet(b []byte) bool {
	if len(b) < 5 || b[0] != 0 || b[3] != 0 {
		return false
	}
	source, address := int(b[2]), b[4:]
	if source == 0 || len(address) != (source+7)/8 || source%8 != 0 && address[len(address)-1]<<(source%8) != 0 {
		return false
	}
	switch {
	case b[1] == 1 && source <= 32:
		var ip [4]byte
		copy(ip[:], address)
		a.client = netip.PrefixFrom(netip.AddrFrom4(ip), source)
	case b[1] == 2 && source <= 128:
		var ip [16]byte
		copy(ip[:], address)
		a.client = netip.PrefixFrom(netip.AddrFrom16(ip), source)
	default:
		return false
	}
	return true
}

// fast answers from what is packed. -1: the question is for the slow path; 0: it gets no answer.
func (w *worker) fast(q []byte, from netip.Addr, udp bool, out []byte) int {
	a := &w.asking
	if !a.read(q) {
		return -1
	}
	p, place := w.lookUp(q, from)
	if p == nil {
		return -1
	}
	body := p.body(a.id)
	size, limit := a.end+len(body), len(out)
	if udp {
		limit = min(limit, a.size)
	}
	if a.edns {
		size += optSize + len(a.subnet)
		if a.cookie != nil {
			size += 4 + wholeCookie
		}
	}
	if size > limit {
		return -1
	}
	valid := w.renew(a.cookie, from)
	if udp && !valid {
		switch w.server.limit.count(from, p.kind, w.now, w.serving.limit) {
		case drop:
			w.metrics.dropped.Inc()
			return 0
		case slip:
			w.metrics.slipped.Inc()
			return w.slip(p, place, q, out)
		}
	}
	w.tally(p.series)
	copy(out, q[:a.end])
	out[2], out[3] = p.flags[0]|q[2]&flagRD, p.flags[1]|q[3]&flagCD
	copy(out[6:], p.counts[:])
	return w.finish(p, place, out, p.put(out, a.end, body))
}

// lookUp finds the packed answer, and where the client is if that decides.
func (w *worker) lookUp(q []byte, from netip.Addr) (*packed, Place) {
	a := &w.asking
	name := &a.questions
	name.set(q[headerSize:a.nameEnd])
	var r *ready
	if n := w.serving.names.find(name, 0); n != nil {
		r = &n.exact
	} else if n = w.serving.names.above(name); n != nil {
		r = &n.below
	} else {
		return nil, Place{}
	}
	all := r.choices(a.qtype)[a.dnssec]
	switch {
	case len(all) == 0 || all[0] == nil:
		return nil, Place{}
	case !all[0].scoped:
		return all[0], Place{}
	}
	if a.subnet == nil {
		a.client = netip.PrefixFrom(from, from.BitLen())
	}
	place := w.serving.data.Place(a.client)
	if len(all) == 1 {
		return all[0], place
	}
	return all[place.Order], place
}

// finish adds the OPT record to an answer that ends at an offset of out.
func (w *worker) finish(p *packed, place Place, out []byte, end int) int {
	a := &w.asking
	if !a.edns {
		return end
	}
	out[11]++ // there are never 255 others
	opt := end
	end += copy(out[end:], p.opt[:])
	if a.subnet != nil {
		end += copy(out[end:], a.subnet)
		if p.scoped {
			out[opt+optSize+7] = place.Bits
		}
	}
	if a.cookie != nil {
		end += copy(out[end:], []byte{0, dns.EDNS0COOKIE, 0, wholeCookie})
		end += copy(out[end:], w.cookie[:])
	}
	binary.BigEndian.PutUint16(out[opt+optSize-2:], uint16(end-opt-optSize))
	return end
}

// slip is the short answer over the limit: come by TCP, or, to those who know cookies, here is one (RFC 7873, 5.2.3).
func (w *worker) slip(p *packed, place Place, q, out []byte) int {
	a := &w.asking
	copy(out, q[:a.end])
	out[2], out[3] = p.flags[0]|flagTC|q[2]&flagRD, p.flags[1]|q[3]&flagCD
	clear(out[6:headerSize])
	if a.cookie == nil {
		return w.finish(p, place, out, a.end)
	}
	out[2], out[3] = p.flags[0]|q[2]&flagRD, p.flags[1]&^0xf|dns.RcodeBadCookie&0xf|q[3]&flagCD
	end := w.finish(p, place, out, a.end)
	out[a.end+5] = dns.RcodeBadCookie >> 4
	return end
}

// renew makes w.cookie the one to answer a client's with, and says whether the client's own was valid.
func (w *worker) renew(cookie []byte, from netip.Addr) (valid bool) {
	if cookie == nil {
		return false
	}
	valid, fresh := w.server.cookies.check(cookie, from, w.now)
	copy(w.cookie[:], cookie)
	if !fresh {
		w.server.cookies.make(&w.cookie, from, w.now)
	}
	return valid
}
