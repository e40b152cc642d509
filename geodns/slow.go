package geodns

import (
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// slow answers whatever comes. It appends to out, which stays as it is where there is no answer.
func (w *worker) slow(packet []byte, from netip.Addr, udp bool, out []byte) []byte {
	query, reply := ReadQuery(packet)
	switch {
	case query != nil:
		reply = w.reply(query, from, udp)
	case reply != nil:
		reply = w.limited(reply, from, udp)
	}
	if reply == nil {
		return out
	}
	message, err := reply.Pack()
	if err != nil {
		w.server.Log.Error("dns: an answer cannot be packed", "why", err.Error())
		return out
	}
	if (reply.Rcode == dns.RcodeRefused || reply.Rcode == dns.RcodeFormatError) && len(message) > len(packet) {
		message = message[:headerSize] // the library has read a question into less than one
		clear(message[4:])
		return append(out, message...)
	}
	// Answers are made for the name in lower case, so that they are compressed alike, and go out with the capitals of the question.
	if end := nameEnd(packet, headerSize); len(reply.Question) > 0 && end > 0 && end == nameEnd(message, headerSize) {
		copy(message[headerSize:end], packet[headerSize:end])
	}
	return append(out, message...)
}

// reply makes the answer to a query, with what is the server's part: cookies and the rate limit. nil: there is none.
func (w *worker) reply(query *dns.Msg, from netip.Addr, udp bool) *dns.Msg {
	if len(query.Question) == 1 {
		query.Question[0].Name = dns.CanonicalName(query.Question[0].Name)
	}
	cookie, fine := cookieOf(query)
	reply := w.serving.data.Answer(query, from, udp)
	if reply == nil {
		return nil
	}
	opt := reply.IsEdns0()
	if !fine && opt != nil && reply.Rcode != dns.RcodeBadVers {
		return w.limited(malformed(reply, opt), from, udp)
	}
	valid := w.renew(cookie, from)
	verdict := send
	if udp && !valid {
		verdict = w.server.limit.count(from, w.kind(query, reply), w.now, w.serving.limit)
	}
	bare := reply.Rcode == dns.RcodeRefused || reply.Rcode == dns.RcodeFormatError || opt == nil
	if cookie != nil && !bare {
		w.addCookie(query, reply, opt, valid)
	}
	switch verdict {
	case drop:
		w.metrics.dropped.Inc()
		return nil
	case slip:
		w.metrics.slipped.Inc()
		shorten(reply, opt, cookie != nil && !bare)
		return reply
	}
	w.count(query, reply)
	return reply
}

// limited is a reply to what is no proper query, nil over the limit: it says already what a short answer would.
func (w *worker) limited(reply *dns.Msg, from netip.Addr, udp bool) *dns.Msg {
	kind := kindOf(w.serving.data.Zones, "", 0, reply.Rcode)
	if udp && w.server.limit.count(from, kind, w.now, w.serving.limit) != send {
		w.metrics.dropped.Inc()
		return nil
	}
	return reply
}

// cookieOf is the cookie of a query, nil if it has none, and whether its length is one that cookies have (RFC 7873, 4). Of several
// the first counts (RFC 7873, 5.2).
func cookieOf(query *dns.Msg) (cookie []byte, fine bool) {
	opt := query.IsEdns0()
	if opt == nil {
		return nil, true
	}
	for _, o := range opt.Option {
		if o, ok := o.(*dns.EDNS0_COOKIE); ok {
			cookie, err := hex.DecodeString(o.Cookie)
			n := len(cookie)
			return cookie, err == nil && (n == clientCookie || n >= clientCookie+8 && n <= clientCookie+32)
		}
	}
	return nil, true
}

// malformed turns a reply into the one to a query whose cookie is none (RFC 7873, 5.2.2).
func malformed(reply *dns.Msg, opt *dns.OPT) *dns.Msg {
	reply.Rcode, reply.Authoritative, reply.Truncated = dns.RcodeFormatError, false, false
	opt.Option = nil
	reply.Answer, reply.Ns, reply.Extra = nil, nil, []dns.RR{opt}
	return reply
}

// addCookie adds the client's cookie with our part. A query that only asks for one is told if its own is not good
// (RFC 7873, 5.4); others are answered nevertheless, and the client has a good one from now on.
func (w *worker) addCookie(query, reply *dns.Msg, opt *dns.OPT, valid bool) {
	opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(w.cookie[:])})
	if sent, _ := cookieOf(query); len(query.Question) == 0 && len(sent) > clientCookie && !valid {
		reply.Rcode = dns.RcodeBadCookie
	}
}

// shorten makes the reply over the limit: come by TCP, or, to those who know cookies, here is one (RFC 7873, 5.2.3).
func shorten(reply *dns.Msg, opt *dns.OPT, withCookie bool) {
	reply.Answer, reply.Ns, reply.Extra = nil, nil, nil
	if opt != nil {
		reply.Extra = []dns.RR{opt}
	}
	if withCookie {
		reply.Rcode = dns.RcodeBadCookie
	} else {
		reply.Truncated = true
	}
}

// kind is what a reply counts as for the rate limit, the same as on the fast path: who floods chooses among all types, so those that no
// name has count as one.
func (w *worker) kind(query, reply *dns.Msg) uint64 {
	name, qtype := w.known(query)
	if n := w.serving.nodes[name]; n != nil && !slices.Contains(n.exact.types, qtype) {
		qtype = otherType
	}
	return kindOf(w.serving.data.Zones, name, qtype, reply.Rcode)
}

// known is the name that there is nearest to the one that was asked for, with the type; nothing if it is in none of the zones.
func (w *worker) known(query *dns.Msg) (name string, qtype uint16) {
	if len(query.Question) != 1 {
		return "", 0
	}
	q := query.Question[0]
	for name := range above(q.Name) {
		if w.serving.nodes[name] != nil {
			return name, q.Qtype
		}
	}
	return "", 0
}

// count counts a reply as the fast path does.
func (w *worker) count(query, reply *dns.Msg) {
	name, qtype := w.known(query)
	region := ""
	switch {
	case name == "" || name != query.Question[0].Name:
		name = otherName
	case reply.Rcode == dns.RcodeSuccess && len(reply.Answer) > 0:
		region = w.regionOfAnswer(reply)
	}
	w.metrics.series(name, qtype, region, reply.Rcode).add(w.cell, 1)
}

// regionOfAnswer is the region that the addresses of a reply are of, "" if there are none of a region's.
func (w *worker) regionOfAnswer(reply *dns.Msg) string {
	for _, rr := range reply.Answer {
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if region := w.serving.byAddress[a.Unmap()]; region != "" {
			return region
		}
	}
	return ""
}
