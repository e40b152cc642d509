package geodns

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// subnet is a client subnet option.
func subnet(t testing.TB, prefix string) *dns.EDNS0_SUBNET {
	t.Helper()
	p := netip.MustParsePrefix(prefix)
	s := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
	if p.Addr().Is6() {
		s.Family = 2
	}
	return s
}

// Who asks: the client subnet if there is one, else the resolver; and the scope of what is answered.
func TestSubnet(t *testing.T) {
	d := newData(t, testTopology)
	for _, c := range []struct{ question, from, subnet, want, option string }{
		{"mx A", "192.0.2.1", "", "192.0.2.10", ""},
		{"mx A", "100.64.0.1", "", "198.51.100.10", ""},
		{"mx A", "::ffff:100.64.0.1", "", "198.51.100.10", ""},
		{"mx A", "2001:db8:100::1", "", "198.51.100.10", ""},
		{"mx A", "2002:6440:1::1", "", "198.51.100.10", ""},
		{"mx A", "100.64.0.1", "100.80.1.0/24", "203.0.113.10", "100.80.1.0/24/13"},
		{"mx A", "100.64.0.1", "0.0.0.0/0", "198.51.100.10", "0.0.0.0/0/0"},
		{"mx A", "100.64.0.1", "::/0", "198.51.100.10", "[::]/0/0"},
		{"mx A", "100.64.0.1", "192.0.2.0/24", "192.0.2.10", "192.0.2.0/24/3"},
		{"mx A", "192.0.2.1", "100.96.0.0/16", "192.0.2.130", "100.96.0.0/16/20"},
		{"mx A", "192.0.2.1", "100.96.0.0/32", "192.0.2.130", "100.96.0.0/32/20"},

		// IPv4 inside IPv6
		{"mx A", "192.0.2.1", "2001:db8:200::/48", "203.0.113.10", "[2001:db8:200::]/48/41"},
		{"mx A", "192.0.2.1", "2002:6450:100::/48", "203.0.113.10", "[2002:6450:100::]/48/29"},
		{"mx A", "192.0.2.1", "2002:6450:100::/56", "203.0.113.10", "[2002:6450:100::]/56/29"},
		{"mx A", "192.0.2.1", "2002:6450::/40", "192.0.2.10", "[2002:6450::]/40/48"}, // not a whole one
		{"mx A", "192.0.2.1", "64:ff9b::6450:1/128", "203.0.113.10", "[64:ff9b::6450:1]/128/109"},
		{"mx A", "192.0.2.1", "64:ff9b::6450:0/120", "192.0.2.10", "[64:ff9b::6450:0]/120/128"},
		{"mx A", "192.0.2.1", "2001::9baf:fffe/128", "203.0.113.10", "[2001::9baf:fffe]/128/109"}, // Teredo: inverted
		{"mx A", "192.0.2.1", "2001::/64", "192.0.2.10", "[2001::]/64/128"},
		{"mx A", "192.0.2.1", "fe80::/16", "192.0.2.10", "[fe80::]/16/3"},
		{"mx A", "192.0.2.1", "2001:500::/32", "192.0.2.10", "[2001:500::]/32/22"}, // the next to Teredo
		{"mx A", "192.0.2.1", "2003::/32", "192.0.2.10", "[2003::]/32/16"},         // the next to 6to4

		// what everybody gets has scope 0
		{"@ TXT", "192.0.2.1", "100.80.1.0/24", "", "100.80.1.0/24/0"},
		{"none A", "192.0.2.1", "100.80.1.0/24", "", "100.80.1.0/24/0"},
		{"mx TXT", "192.0.2.1", "100.80.1.0/24", "", "100.80.1.0/24/0"},
		{"ns1 A", "192.0.2.1", "100.80.1.0/24", "192.0.2.53", "100.80.1.0/24/0"},
		{"alias A", "192.0.2.1", "100.96.1.0/24", "192.0.2.130", "100.96.1.0/24/20"},
	} {
		q := query(c.question)
		if c.subnet != "" {
			edns(q, 1232, subnet(t, c.subnet))
		}
		m := d.Answer(q, netip.MustParseAddr(c.from), true)
		address, option := "", ""
		for _, rr := range m.Answer {
			if a, ok := rr.(*dns.A); ok && address == "" {
				address = a.A.String()
			}
		}
		if opt := m.IsEdns0(); opt != nil {
			option = opt.Option[0].String()
		}
		if address != c.want || option != c.option {
			t.Errorf("%s from %s for %s = %s, %s; want %s, %s", c.question, c.from, c.subnet, address, option, c.want, c.option)
		}
	}
}

// Options that RFC 7871, 6, does not allow get FORMERR, in a reply that is no larger than the query.
func TestMalformedSubnet(t *testing.T) {
	d := newData(t, testTopology)
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"a network", []byte{0, 1, 24, 0, 100, 80, 1}, dns.RcodeSuccess},
		{"no family, no length", []byte{0, 0, 0, 0}, dns.RcodeSuccess},
		{"an octet short", []byte{0, 1, 24, 0, 100, 80}, dns.RcodeFormatError},
		{"an octet more", []byte{0, 1, 24, 0, 100, 80, 1, 0}, dns.RcodeFormatError},
		{"an octet behind length 0", []byte{0, 1, 0, 0, 0}, dns.RcodeFormatError},
		{"bits behind the length", []byte{0, 1, 23, 0, 100, 80, 1}, dns.RcodeFormatError},
		{"a scope", []byte{0, 1, 24, 24, 100, 80, 1}, dns.RcodeFormatError},
		{"33 bits", []byte{0, 1, 33, 0, 100, 80, 1, 1, 0}, dns.RcodeFormatError},
		{"129 bits", append([]byte{0, 2, 129, 0}, make([]byte, 17)...), dns.RcodeFormatError},
		{"family 3", []byte{0, 3, 8, 0, 100}, dns.RcodeFormatError},
		{"no family, but a length", []byte{0, 0, 8, 0, 100}, dns.RcodeFormatError},
		{"cut off", []byte{0, 1, 24}, dns.RcodeFormatError},
		{"empty", nil, dns.RcodeFormatError},
	} {
		q := query("mx A")
		edns(q, 1232, &dns.EDNS0_LOCAL{Code: dns.EDNS0SUBNET, Data: c.data})
		packet, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		read, m := ReadQuery(packet)
		if read != nil {
			m = d.Answer(read, netip.MustParseAddr("192.0.2.1"), true)
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if m.Rcode != c.want {
			t.Errorf("%s = %s, want %s", c.name, dns.RcodeToString[m.Rcode], dns.RcodeToString[c.want])
		}
		if m.Rcode == dns.RcodeFormatError && len(packed) > len(packet) {
			t.Errorf("%s: %d octets for a query of %d", c.name, len(packed), len(packet))
		}
	}
	q := query("mx A")
	edns(q, 1232, subnet(t, "100.80.1.0/24"), subnet(t, "100.64.1.0/24"))
	if m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true); m.Rcode != dns.RcodeFormatError {
		t.Errorf("two subnets = %s, want FORMERR", dns.RcodeToString[m.Rcode])
	}
}

// Every address inside a scope has the order that the scope was given for, whatever is inside the address.
func TestScopeIsTrue(t *testing.T) {
	d := newData(t, testTopology)
	random := rand.New(rand.NewPCG(7, 1))
	starts := []string{"2002:6440::", "2002:6450:1::", "2001::", "2001:db8:100::", "2001:db8:2ff::", "2003::", "64:ff9b::6460:1", "64:ff9b::1", "::1", "fe80::"}
	for range 20_000 {
		a := netip.MustParseAddr(starts[random.IntN(len(starts))])
		if random.IntN(3) == 0 {
			a = inside(random, netip.PrefixFrom(a, 16))
		}
		at := d.Place(netip.PrefixFrom(a, 128))
		p := netip.PrefixFrom(a, int(at.Bits)).Masked()
		for range 5 {
			b := inside(random, p)
			if got := d.Place(netip.PrefixFrom(b, 128)); got.Order != at.Order {
				t.Fatalf("%v has order %d with scope %v, but %v in it has %d", a, at.Order, p, b, got.Order)
			}
		}
	}
}

// inside is a random address of an IPv6 network.
func inside(random *rand.Rand, p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	var noise [16]byte
	binary.BigEndian.PutUint64(noise[:8], random.Uint64())
	binary.BigEndian.PutUint64(noise[8:], random.Uint64())
	for i := range b {
		keep := byte(0xff)
		if left := p.Bits() - 8*i; left < 8 {
			keep = ^byte(0xff >> max(left, 0))
		}
		b[i] = b[i]&keep | noise[i]&^keep
	}
	return netip.AddrFrom16(b)
}

func BenchmarkPlace(b *testing.B) {
	d := newData(b, testTopology)
	for _, p := range []string{"100.80.1.0/24", "2001:db8:200::/48", "2002:6450:100::/48"} {
		client := netip.MustParsePrefix(p)
		b.Run(p, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Place(client)
			}
		})
	}
}
