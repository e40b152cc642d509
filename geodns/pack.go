package geodns

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// serving is a Data with the answers that are packed for it. It is immutable.
type serving struct {
	data  *Data
	day   time.Time // of the signatures
	names *index
	nodes map[string]*node // by name, for the next one
	limit uint32           // equal answers a second to a client network; 0: none

	byAddress map[netip.Addr]string // regions
}

// newServing packs the answers of a Data ahead of time. Of the serving before, which may be nil, it takes over what does not
// depend on where clients are, as long as the zones are the same and so is the day of signatures.
func newServing(d *Data, before *serving, m *Metrics) *serving {
	s := &serving{data: d, day: d.Zones.day(), nodes: make(map[string]*node), byAddress: make(map[netip.Addr]string)}
	for _, r := range d.Zones.topology.Regions {
		for _, a := range r.Addresses {
			s.byAddress[a] = r.Name
		}
	}
	if d.Zones.topology.DNS != nil {
		s.limit = uint32(d.Zones.topology.DNS.RateLimit)
	}
	k := &packer{data: d, metrics: m, bodies: make(map[string]string)}
	for _, zone := range d.Zones.zones {
		for name := range zone.names {
			n := &node{name: name, wire: wireOf(name)}
			if n.wire == "" || s.nodes[name] != nil {
				continue
			}
			if before != nil && before.data.Zones == d.Zones && before.data.Identity == d.Identity && before.day.Equal(s.day) {
				k.before = before.nodes[name]
			}
			k.pack(n)
			s.nodes[name] = n
		}
	}
	s.names = newIndex(slices.Collect(maps.Values(s.nodes)))
	return s
}

// packedTypes have answers of their own at every name, the most frequent first. The others that a name has are added to them.
var packedTypes = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeMX, dns.TypeTXT, dns.TypeNS, dns.TypeSOA, dns.TypeSRV, dns.TypeCAA, dns.TypeTLSA,
	dns.TypeANY, dns.TypeCNAME, dns.TypePTR, dns.TypeSVCB, dns.TypeHINFO, dns.TypeDS, dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY,
	dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM,
}

// otherType stands for those that no name has and that ask for nothing special.
const otherType = 0x7f00

// special says whether a type is none of data that a name can have (RFC 6895, 3.1), or may come to be.
func special(qtype uint16) bool {
	return qtype == 0 || qtype == dns.TypeOPT || qtype >= 128 && qtype <= 255 || qtype >= 1<<15
}

// packer makes packed answers by asking for them. What it cannot reproduce byte for byte it leaves to be answered one by one.
type packer struct {
	data    *Data
	metrics *Metrics
	bodies  map[string]string // each body once
	before  *node             // of the serving before, where it is of use
}

// pack fills the answers of a name.
func (k *packer) pack(n *node) {
	types := slices.Clone(packedTypes)
	for _, zone := range k.data.Zones.zones {
		if has := zone.names[n.name]; has != nil {
			for t := range has.sets {
				if !slices.Contains(types, t) {
					types = append(types, t)
				}
			}
		}
	}
	var exact, below ready
	if k.before != nil {
		exact, below = k.before.exact, k.before.below
	}
	n.exact = k.ready(n, types, exact, k.exact)
	n.below = k.ready(n, types, below, k.below)
}

// ready packs answers to each of the types, or takes them over.
func (k *packer) ready(n *node, types []uint16, before ready, pack func(*node, uint16, int, Place) *packed) ready {
	r := ready{types: types}
	for _, qtype := range append(types[:len(types):len(types)], otherType) {
		var c choices
		for dnssec := range c {
			if old := before.choices(qtype)[dnssec]; len(old) == 1 && (old[0] == nil || !old[0].scoped) {
				c[dnssec] = old
				continue
			}
			c[dnssec] = k.choices(func(p Place) *packed { return pack(n, qtype, dnssec, p) })
		}
		if qtype == otherType {
			r.others = c
		} else {
			r.answers = append(r.answers, c)
		}
	}
	return r
}

// choices packs an answer for every order of regions, or once if it is the same everywhere.
func (k *packer) choices(pack func(Place) *packed) []*packed {
	first := pack(Place{Bits: probeBits})
	if first == nil {
		return []*packed{nil}
	}
	all := []*packed{first}
	if first.scoped && k.data.Places != nil {
		for order := 1; order < k.data.Places.Orders(); order++ {
			all = append(all, pack(Place{Order: uint16(order), Bits: probeBits}))
		}
	}
	return all
}

// exact packs the answer to a question for the name itself.
func (k *packer) exact(n *node, qtype uint16, dnssec int, at Place) *packed {
	p := k.probe(n.name, qtype, dnssec, at)
	if p == nil || qtype == otherType && !k.ask(n.name, otherType+1, dnssec, 0, at).equal(p, 0) {
		return nil
	}
	k.label(p, n, n.name, qtype, at)
	return p
}

// below packs the answer to a question for a name below it that does not exist: by comparing those for two such names it learns
// which pointers move, and a third must come out right.
func (k *packer) below(n *node, qtype uint16, dnssec int, at Place) *packed {
	const first, second, third = "0.", "00.000.", "0-00000000000000000000000000000000000000000000000000000000000."
	if len(n.name) > maxName-len(third)-1 || strings.HasPrefix(third, n.name) {
		return nil
	}
	p := k.probe(first+n.name, qtype, dnssec, at)
	if p == nil || !p.learn(k.ask(second+n.name, qtype, dnssec, 0, at)) {
		return nil
	}
	for id := range len(p.bodies) {
		if !k.ask(third+n.name, qtype, dnssec, uint16(id), at).equal(p, uint16(id)) {
			return nil
		}
	}
	k.label(p, n, otherName, qtype, at)
	return p
}

// learn finds the pointers that move with the end of the question.
func (p *packed) learn(other *asked) bool {
	a, b, by := p.bodies[0], "", uint16(0)
	if other == nil || len(p.bodies) != 1 {
		return false
	}
	b, by = other.body, uint16(other.end-p.end)
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] == b[i] {
			continue
		}
		at := max(i-1, 0)
		if a[i] >= 0xc0 && i > 0 && a[at] < 0xc0 {
			at = i
		}
		if at+1 >= len(a) || word(a, at) < 0xc000 || word(b, at) != word(a, at)+by {
			return false
		}
		p.moving = append(p.moving, uint16(at))
		i = at + 1
	}
	return true
}

func word(s string, at int) uint16 { return uint16(s[at])<<8 | uint16(s[at+1]) }

// probe packs the answer to a question, with all turns of its records.
func (k *packer) probe(name string, qtype uint16, dnssec int, at Place) *packed {
	first := k.ask(name, qtype, dnssec, 0, at)
	if first == nil || first.turns > maxTurns {
		return nil
	}
	p := &packed{flags: first.flags, counts: first.counts, opt: first.opt, end: first.end, scoped: first.scoped}
	for id := range first.turns {
		turned := k.ask(name, qtype, dnssec, uint16(id), at)
		p.bodies = append(p.bodies, k.once(turned.body))
	}
	if !k.ask(name, qtype, dnssec, uint16(first.turns), at).equal(p, 0) {
		return nil // not what was taken for turns
	}
	return p
}

// maxTurns bounds how often an answer is packed. Sets of two and of three records in one answer have six turns together.
const maxTurns = 12

func (k *packer) once(body string) string {
	if known, ok := k.bodies[body]; ok {
		return known
	}
	k.bodies[body] = body
	return body
}

// asked is an answer taken apart.
type asked struct {
	flags  [2]byte
	counts [6]byte
	opt    [optSize]byte
	body   string
	end    int
	turns  int
	scoped bool
}

// equal says whether a packed answer is this one, for an id.
func (a *asked) equal(p *packed, id uint16) bool {
	if a == nil || a.flags != p.flags || a.counts != p.counts || a.opt != p.opt || a.scoped != p.scoped {
		return false
	}
	out := make([]byte, a.end+len(p.body(id)))
	p.put(out, a.end, p.body(id))
	return string(out[a.end:]) == a.body
}

// probeBits is a scope that no answer has by accident.
const probeBits = 23

// probeSubnet is the client subnet of a probe.
var probeSubnet = netip.MustParsePrefix("192.0.2.0/24")

// ask asks for an answer and takes it apart. nil: there is none that could be packed.
func (k *packer) ask(name string, qtype uint16, dnssec int, id uint16, at Place) *asked {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.Id, q.RecursionDesired = id, false
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(dns.MaxMsgSize - 1)
	if dnssec == 1 {
		opt.SetDo()
	}
	opt.Option = []dns.EDNS0{&dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(probeSubnet.Bits()), Address: probeSubnet.Addr().AsSlice(),
	}}
	q.Extra = []dns.RR{opt}
	m := k.data.AnswerAt(q, at, false)
	if m == nil || m.Truncated || len(m.Extra) == 0 {
		return nil
	}
	return takeApart(m)
}

func takeApart(m *dns.Msg) *asked {
	last := len(m.Extra) - 1
	opt, ok := m.Extra[last].(*dns.OPT)
	if !ok || len(opt.Option) != 1 {
		return nil
	}
	a := &asked{turns: turns(m), scoped: opt.Option[0].(*dns.EDNS0_SUBNET).SourceScope == probeBits}
	opt.Option = nil
	m.Extra = m.Extra[:last]
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	if _, err := dns.PackRR(opt, a.opt[:], 0, nil, false); err != nil {
		return nil
	}
	copy(a.flags[:], packed[2:4])
	copy(a.counts[:], packed[6:12])
	a.end = nameEnd(packed, headerSize) + 4
	a.body = string(packed[a.end:])
	return a
}

// turns is after how many ids the records of every set of an answer come in the same order again.
func turns(m *dns.Msg) int {
	type set struct {
		name string
		kind uint16
	}
	all := 1
	for _, section := range [][]dns.RR{m.Answer, m.Ns} {
		sizes := make(map[set]int)
		for _, rr := range section {
			sizes[set{rr.Header().Name, rr.Header().Rrtype}]++
		}
		for _, n := range sizes {
			all = multiple(all, n)
		}
	}
	return all
}

// multiple is the least that two numbers have in common.
func multiple(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// label says what an answer is counted as.
func (k *packer) label(p *packed, n *node, name string, qtype uint16, at Place) {
	rcode := int(p.flags[1] & 0xf)
	p.kind = kindOf(k.data.Zones, n.name, qtype, rcode)
	region := ""
	if name == n.name {
		region = k.data.regionOf(name, qtype, at)
	}
	p.series = k.metrics.series(name, qtype, region, rcode)
}

// kindOf is what counts as an equal answer: the name that there is and the type, but of names that do not exist the zone alone,
// because whoever floods chooses new ones all the time.
func kindOf(z *Zones, known string, qtype uint16, rcode int) uint64 {
	if rcode == dns.RcodeNameError {
		if zone := z.zoneOf(known); zone != nil {
			known, qtype = zone.Name, 0
		}
	}
	h := fnv.New64a()
	h.Write([]byte(known))
	var rest [4]byte
	binary.BigEndian.PutUint16(rest[:], qtype)
	binary.BigEndian.PutUint16(rest[2:], uint16(rcode))
	h.Write(rest[:])
	return h.Sum64()
}

// regionOf is the name of the region that a name leads to, "" where it leads to none.
func (d *Data) regionOf(known string, qtype uint16, at Place) string {
	zone := d.Zones.zoneOf(known)
	if zone == nil || qtype != dns.TypeA && qtype != dns.TypeAAAA {
		return ""
	}
	n := zone.names[known]
	if n == nil || n.host == nil {
		return ""
	}
	choice, ok := d.choose(n.host, at, qtype == dns.TypeAAAA, n.next)
	if !ok {
		return ""
	}
	return d.Zones.topology.Regions[choice.Region].Name
}
