package geodns

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// standing is a worker of a server that has data, and neither sockets nor a rate limit.
func standing(t testing.TB, d *Data) *worker {
	t.Helper()
	s := &Server{}
	s.init()
	s.Use(d)
	w := s.newWorker(0)
	w.begin()
	w.serving.limit = 0
	return w
}

// asks is a question with what a table wants in it.
type asks struct {
	name   string
	kind   uint16
	id     uint16
	rd, cd bool
	edns   bool
	do     bool
	size   uint16
	subnet string
	cookie []byte
}

func (a asks) pack(t testing.TB) []byte {
	t.Helper()
	q := new(dns.Msg).SetQuestion(a.name, a.kind)
	q.Id, q.RecursionDesired, q.CheckingDisabled = a.id, a.rd, a.cd
	if a.edns || a.do || a.subnet != "" || a.cookie != nil {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		opt.SetUDPSize(max(a.size, 512))
		if a.do {
			opt.SetDo()
		}
		if a.subnet != "" {
			opt.Option = append(opt.Option, subnetOption(netip.MustParsePrefix(a.subnet)))
		}
		if a.cookie != nil {
			opt.Option = append(opt.Option, &dns.EDNS0_LOCAL{Code: dns.EDNS0COOKIE, Data: a.cookie})
		}
		q.Extra = append(q.Extra, opt)
	}
	packet, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

func subnetOption(p netip.Prefix) *dns.EDNS0_SUBNET {
	o := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
	if p.Addr().Is6() {
		o.Family = 2
	}
	return o
}

// bothPaths asks the fast and the slow path. answered is false if the question is none for the fast path.
func bothPaths(w *worker, packet []byte, from netip.Addr, udp bool) (fast, slow []byte, answered bool) {
	out := make([]byte, udpSize)
	n := w.fast(packet, from, udp, out)
	slow = w.slow(packet, from, udp, nil)
	return out[:max(n, 0)], slow, n >= 0
}

var anyClient = netip.MustParseAddr("100.64.1.1")

// TestFastIsSlow compares both paths for every name, type and client of the test zone. fast says which questions must not fall back.
func TestFastIsSlow(t *testing.T) {
	w := standing(t, newData(t, testTopology))
	names := []string{"nothing.mail.example.org.", "a.b.c.d.mail.example.org.", "x.wild.mail.example.org.", "NoThing.imap.mail.example.org."}
	for name := range w.serving.nodes {
		names = append(names, name, upper(name))
	}
	types := append([]uint16{dns.TypeLOC, 4711}, packedTypes...)
	fell := 0
	total := 0
	for _, name := range names {
		for i, kind := range types {
			for j, client := range []string{"192.0.2.1", "100.64.9.9", "100.80.0.1", "2001:db8:200::1", "2001:db8:99::1"} {
				for k, a := range []asks{
					{}, {rd: true, cd: true, edns: true}, {edns: true, size: 4096, subnet: "100.96.1.0/24"}, {subnet: "2001:db8:300::/56", do: true},
					{cookie: []byte("12345678"), size: 1232, subnet: "100.80.0.0/13"},
				} {
					a.name, a.kind, a.id = name, kind, uint16(i+7*j+k)
					fast, slow, answered := bothPaths(w, a.pack(t), netip.MustParseAddr(client), k%2 == 0)
					if total++; !answered {
						fell++
						continue
					}
					if !bytes.Equal(fast, slow) {
						t.Fatalf("%+v from %s:\nfast %x\nslow %x", a, client, fast, slow)
					}
				}
			}
		}
	}
	if fell > 0 {
		t.Errorf("%d of %d questions fell back", fell, total)
	}
}

// upper is a name in capitals.
func upper(name string) string { return string(bytes.ToUpper([]byte(name))) }

// TestFastKnowsItsLimits are questions that must go the slow path.
func TestFastKnowsItsLimits(t *testing.T) {
	w := standing(t, newData(t, testTopology))
	change := func(at int, b byte) []byte {
		p := asks{name: "imap.mail.example.org.", kind: dns.TypeA, subnet: "100.96.1.0/24"}.pack(t)
		p[at] = b
		return p
	}
	end := len(change(0, 0))
	for name, packet := range map[string][]byte{
		"response":              change(2, 0x80),
		"opcode":                change(2, 0x28),
		"truncated":             change(2, 0x02),
		"reserved bit":          change(3, 0x40),
		"two questions":         change(5, 2),
		"an answer":             change(7, 1),
		"two additional":        change(11, 2),
		"class":                 change(12+23+3, 3),
		"compressed name":       change(12, 0xc0),
		"EDNS version":          change(12+23+4+6, 1),
		"EDNS flags":            change(12+23+4+8, 1),
		"option length":         change(end-8, 9),
		"family":                change(end-6, 3),
		"source length":         change(end-5, 25),
		"source length of none": change(end-5, 0),
		"scope":                 change(end-4, 1),
		"bits behind":           append(change(end-5, 23)[:end-1], 1),
		"left over":             append(change(0, 0), 0),
		"cut off":               change(0, 0)[:end-1],
		"nothing":               {},
		"outside":               asks{name: "example.org.", kind: dns.TypeA}.pack(t),
		"AXFR":                  asks{name: "mail.example.org.", kind: dns.TypeAXFR}.pack(t),
		"a short cookie":        asks{name: "mail.example.org.", kind: dns.TypeA, cookie: []byte("1234567")}.pack(t),
	} {
		out := make([]byte, udpSize)
		if n := w.fast(packet, anyClient, true, out); n != -1 {
			t.Errorf("%s: %d bytes on the fast path", name, n)
		}
	}
}

// TestFastTakesRounds has the addresses of a region come first in turn.
func TestFastTakesRounds(t *testing.T) {
	w := standing(t, newData(t, testTopology))
	first := make(map[string]int)
	for id := range 10 {
		fast, _, answered := bothPaths(w, asks{name: "imap.mail.example.org.", kind: dns.TypeA, id: uint16(id)}.pack(t), netip.MustParseAddr("192.0.2.1"), true)
		m := new(dns.Msg)
		if err := m.Unpack(fast); err != nil || !answered || len(m.Answer) != 2 {
			t.Fatalf("answered %v, %v:\n%v", answered, err, m)
		}
		first[m.Answer[0].(*dns.A).A.String()]++
	}
	if first["192.0.2.10"] != 5 || first["192.0.2.11"] != 5 {
		t.Errorf("first: %v, want 5 each", first)
	}
}

// FuzzFast holds both paths equal, byte for byte, for whatever packet comes from wherever.
func FuzzFast(f *testing.F) {
	w := standing(f, newData(f, testTopology))
	cookie := make([]byte, wholeCookie)
	copy(cookie, "12345678")
	for _, a := range []asks{
		{name: "imap.mail.example.org.", kind: dns.TypeA, id: 1},
		{name: "IMAP.mail.example.org.", kind: dns.TypeAAAA, rd: true, edns: true, size: 1232},
		{name: "imap.mail.example.org.", kind: dns.TypeA, subnet: "100.96.1.0/24"},
		{name: "web.mail.example.org.", kind: dns.TypeAAAA, subnet: "2001:db8:300::/56", do: true, size: 4096},
		{name: "nothing.mail.example.org.", kind: dns.TypeMX, cookie: cookie},
		{name: "x.wild.mail.example.org.", kind: dns.TypeTXT, cookie: cookie[:8]},
		{name: "q.below.mail.example.org.", kind: dns.TypeA, edns: true},
		{name: "mail.example.org.", kind: dns.TypeANY, subnet: "2002:6440:101::/48"},
		{name: "example.org.", kind: dns.TypeA, edns: true},
	} {
		f.Add(a.pack(f), uint32(0x64400101), true)
	}
	f.Fuzz(func(t *testing.T, packet []byte, from uint32, udp bool) {
		if len(packet) > maxAsked {
			return
		}
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], from)
		fast, slow, answered := bothPaths(w, packet, netip.AddrFrom4(ip), udp)
		if answered && !bytes.Equal(fast, slow) {
			t.Errorf("fast %x\nslow %x", fast, slow)
		}
		proper(t, packet, slow, udp)
	})
}

// proper is what holds for every answer.
func proper(t testing.TB, packet, answer []byte, udp bool) {
	t.Helper()
	switch {
	case len(answer) == 0:
		return
	case len(packet) < headerSize || packet[2]&0x80 != 0:
		t.Fatalf("an answer to what is no question: %x", answer)
	case udp && len(answer) > udpSize:
		t.Fatalf("an answer of %d bytes over UDP", len(answer))
	case len(answer) < headerSize || answer[2]&0x80 == 0 || answer[0] != packet[0] || answer[1] != packet[1]:
		t.Fatalf("not a response to the question: %x", answer)
	}
	if rcode := answer[3] & 0xf; rcode == dns.RcodeRefused || rcode == dns.RcodeFormatError {
		if len(answer) > len(packet) {
			t.Fatalf("%s of %d bytes to a question of %d", dns.RcodeToString[int(rcode)], len(answer), len(packet))
		}
		m := new(dns.Msg)
		if err := m.Unpack(answer); err != nil {
			t.Fatalf("answer %x: %v", answer, err)
		}
		if opt := m.IsEdns0(); opt != nil && len(opt.Option) > 0 {
			t.Fatalf("options in %s: %v", dns.RcodeToString[m.Rcode], opt)
		}
	}
}

func BenchmarkFast(b *testing.B) {
	w := standing(b, newData(b, testTopology))
	w.serving.limit = 1 << 31
	cookie := make([]byte, wholeCookie)
	copy(cookie, "12345678")
	w.server.cookies.make((*[wholeCookie]byte)(cookie), anyClient, w.now)
	for _, row := range []struct {
		name string
		asks
	}{
		{"plain", asks{name: "imap.mail.example.org.", kind: dns.TypeA, rd: true}},
		{"EDNS", asks{name: "imap.mail.example.org.", kind: dns.TypeA, rd: true, edns: true, size: 1232}},
		{"ECS", asks{name: "imap.mail.example.org.", kind: dns.TypeA, subnet: "100.96.1.0/24", size: 1232}},
		{"ECS IPv6", asks{name: "imap.mail.example.org.", kind: dns.TypeAAAA, subnet: "2001:db8:300::/56", size: 1232}},
		{"NXDOMAIN", asks{name: "nothing.mail.example.org.", kind: dns.TypeA}},
		{"cookie", asks{name: "imap.mail.example.org.", kind: dns.TypeA, cookie: cookie, size: 1232}},
	} {
		b.Run(row.name, func(b *testing.B) {
			packet, out := row.pack(b), make([]byte, udpSize)
			packet = append(make([]byte, 0, maxAsked), packet...)
			b.ReportAllocs()
			for b.Loop() {
				if w.fast(packet, anyClient, true, out) <= 0 {
					b.Fatal("not answered")
				}
			}
		})
	}
}
