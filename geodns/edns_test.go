package geodns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// outline is a reply's rcode, flags, number of answers and OPT record with its options.
func outline(m *dns.Msg) string {
	words := []string{dns.RcodeToString[m.Rcode]}
	if m.Rcode == dns.RcodeBadVers {
		words[0] = "BADVERS" // which has the number of another one
	}
	for _, f := range []struct {
		set  bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"},
		{m.Zero, "z"}, {m.AuthenticatedData, "ad"}, {m.CheckingDisabled, "cd"}} {
		if f.set {
			words = append(words, f.name)
		}
	}
	words = append(words, fmt.Sprintf("q%d a%d", len(m.Question), len(m.Answer)))
	opt := m.IsEdns0()
	if opt == nil {
		return strings.Join(words, " ")
	}
	words = append(words, fmt.Sprintf("edns%d/%d", opt.Version(), opt.UDPSize()))
	if opt.Do() {
		words = append(words, "do")
	}
	if opt.Co() {
		words = append(words, "co")
	}
	if opt.Z() != 0 {
		words = append(words, "z")
	}
	for _, o := range opt.Option {
		words = append(words, fmt.Sprintf("%d=%s", o.Option(), o))
	}
	return strings.Join(words, " ")
}

func edns(q *dns.Msg, size uint16, options ...dns.EDNS0) *dns.OPT {
	q.SetEdns0(size, false)
	opt := q.IsEdns0()
	opt.Option = options
	return opt
}

// The checks of RFC 8906, 8, and what is near them.
func TestEDNS(t *testing.T) {
	const plain = "NOERROR aa q1 a1"
	d := newData(t, testTopology)
	d.Identity = "eu-1"
	unknown := &dns.EDNS0_LOCAL{Code: 100, Data: []byte("x")}
	for _, c := range []struct {
		name, question string
		change         func(q *dns.Msg)
		want           string
	}{
		{"8.1.1 plain", "@ SOA", func(q *dns.Msg) {}, plain},
		{"8.1.2 unknown type", "@ SOA", func(q *dns.Msg) { q.Question[0].Qtype = 1000 }, "NOERROR aa q1 a0"},
		{"8.1.3.1 CD", "@ SOA", func(q *dns.Msg) { q.CheckingDisabled = true }, "NOERROR aa cd q1 a1"},
		{"8.1.3.2 AD", "@ SOA", func(q *dns.Msg) { q.AuthenticatedData = true }, plain},
		{"8.1.3.3 reserved bit", "@ SOA", func(q *dns.Msg) { q.Zero = true }, plain},
		{"8.1.3.4 RD", "@ SOA", func(q *dns.Msg) { q.RecursionDesired = true }, "NOERROR aa rd q1 a1"},
		{"8.1.4 unknown opcode", "@ SOA", func(q *dns.Msg) { q.Opcode, q.Question = 15, nil }, "NOTIMP q0 a0"},
		{"NOTIFY", "@ SOA", func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }, "NOTIMP q0 a0"},
		{"UPDATE with EDNS", "@ SOA", func(q *dns.Msg) { q.Opcode = dns.OpcodeUpdate; edns(q, 4096) }, "NOTIMP q0 a0 edns0/1232"},
		{"8.2.1 EDNS", "@ SOA", func(q *dns.Msg) { edns(q, 4096) }, plain + " edns0/1232"},
		{"8.2.2 version", "@ SOA", func(q *dns.Msg) { edns(q, 4096).SetVersion(1) }, "BADVERS q1 a0 edns0/1232"},
		{"8.2.3 unknown option", "@ SOA", func(q *dns.Msg) { edns(q, 4096, unknown) }, plain + " edns0/1232"},
		{"8.2.4 unknown flag", "@ SOA", func(q *dns.Msg) { edns(q, 4096).SetZ(0x40) }, plain + " edns0/1232"},
		{"8.2.5 version and flag", "@ SOA", func(q *dns.Msg) { o := edns(q, 4096); o.SetVersion(100); o.SetZ(0x40) }, "BADVERS q1 a0 edns0/1232"},
		{"8.2.6 version and option", "@ SOA", func(q *dns.Msg) { edns(q, 4096, unknown).SetVersion(1) }, "BADVERS q1 a0 edns0/1232"},
		{"8.2.8 DO", "@ SOA", func(q *dns.Msg) { edns(q, 4096).SetDo() }, plain + " edns0/1232 do"},
		{"8.2.9 options together", "@ SOA", func(q *dns.Msg) {
			edns(q, 4096, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_EXPIRE{Code: dns.EDNS0EXPIRE, Empty: true},
				&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}, subnet(t, "0.0.0.0/0"))
		}, plain + " edns0/1232 8=0.0.0.0/0/0 3=65752d31"},

		{"CO", "none A", func(q *dns.Msg) { o := edns(q, 4096); o.SetDo(); o.SetCo() }, "NXDOMAIN aa q1 a0 edns0/1232 do"},
		{"two OPT", "@ SOA", func(q *dns.Msg) { edns(q, 4096); q.Extra = append(q.Extra, q.Extra[0]) }, "FORMERR q1 a0 edns0/1232"},
		{"OPT not of the root", "@ SOA", func(q *dns.Msg) { edns(q, 4096).Hdr.Name = "x." }, "FORMERR q1 a0"},
		{"no question", "@ SOA", func(q *dns.Msg) { q.Question = nil }, "FORMERR q0 a0"},
		{"a cookie alone", "@ SOA", func(q *dns.Msg) {
			q.Question = nil
			edns(q, 4096, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"})
		}, "NOERROR q0 a0 edns0/1232"},
		{"two questions", "@ SOA", func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }, "FORMERR q0 a0"},
		{"version of the server", "version.bind. TXT", func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }, "REFUSED q1 a0"},
		{"name of the server", "id.server. TXT", func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }, "REFUSED q1 a0"},
		{"class ANY", "@ SOA", func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassANY }, "REFUSED q1 a0"},
		{"NSID where refused", "example.com. A", func(q *dns.Msg) { edns(q, 4096, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}) }, "REFUSED q1 a0 edns0/1232"},
		{"a response", "@ SOA", func(q *dns.Msg) { q.Response = true }, "silence"},
	} {
		q := query(c.question)
		q.RecursionDesired = false
		c.change(q)
		got := "silence"
		if m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true); m != nil {
			if packed, err := m.Pack(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if err := m.Unpack(packed); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			got = outline(m)
		}
		if got != c.want {
			t.Errorf("%s = %s, want %s", c.name, got, c.want)
		}
	}
}

// large has a name with more records than fit, and a zone below with much glue.
var large = func() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "        large IN A 192.0.2.%d\n        fits IN TXT %q\n", i, strings.Repeat("x", 200/(i+1)))
		if i < 20 {
			fmt.Fprintf(&b, "        cut IN NS ns-%d.cut\n        ns-%d.cut IN AAAA 2001:db8::%d\n", i, i, i)
		}
	}
	return strings.Replace(testTopology, "      records: |\n", "      records: |\n"+b.String(), 1)
}()

// Answers are as large as the client takes and the network carries; what does not fit is asked for over TCP.
func TestTruncation(t *testing.T) {
	d := newData(t, large)
	for _, c := range []struct {
		question  string
		udp       bool
		size      uint16 // 0: no EDNS
		cookie    bool
		truncated bool
		most      int
	}{
		{"imap A", true, 0, false, false, 512},
		{"large A", true, 0, false, true, 512},
		{"large A", true, 512, false, true, 512},
		{"large A", true, 100, false, true, 512},
		{"large A", true, 1232, false, true, 1232},
		{"large A", true, 65535, false, true, 1232},
		{"large A", false, 0, false, false, 65535},
		{"large A", false, 512, true, false, 65535},
		{"cut NS", true, 0, false, true, 512}, // glue is needed (RFC 9471, 3.1)
		{"cut NS", true, 4096, false, false, 1232},
		{"cut NS", false, 0, false, false, 65535},
	} {
		q := query(c.question)
		if c.size > 0 {
			o := edns(q, c.size)
			if c.cookie {
				o.Option = append(o.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"})
			}
		}
		m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), c.udp)
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if m.Truncated != c.truncated || len(packed) > c.most {
			t.Errorf("%s, udp %v, size %d: tc %v, %d octets; want tc %v, at most %d", c.question, c.udp, c.size, m.Truncated, len(packed), c.truncated, c.most)
		}
	}
}

// A cookie that the server adds still fits.
func TestCookieRoom(t *testing.T) {
	d := newData(t, large)
	for i := range 60 {
		q := query("large A")
		edns(q, uint16(1640+i), &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"})
		m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: strings.Repeat("01", 24)})
		if got := m.Len(); got > udpSize {
			t.Errorf("%d octets with a cookie, want at most %d", got, udpSize)
		}
	}
}
