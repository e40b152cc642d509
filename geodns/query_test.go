package geodns

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

func TestReadQuery(t *testing.T) {
	header := func(flags uint16, counts ...uint16) []byte {
		b := []byte{0xab, 0xcd}
		b = binary.BigEndian.AppendUint16(b, flags)
		for _, n := range append(counts, make([]uint16, 4-len(counts))...) {
			b = binary.BigEndian.AppendUint16(b, n)
		}
		return b
	}
	for _, c := range []struct {
		name   string
		packet []byte
		want   string // of the reply; "query" is none, "silence" neither
	}{
		{"a question", append(header(0x100, 1), "\x04imap\x00\x00\x01\x00\x01"...), "query"},
		{"nothing", nil, "silence"},
		{"less than a header", header(0)[:11], "silence"},
		{"a response", append(header(0x8000, 1), "\x04imap\x00\x00\x01\x00\x01"...), "silence"},
		{"a broken response", header(0x8000, 9), "silence"},
		{"a question that is not there", header(0x100, 1), "FORMERR rd q0 a0"},
		{"a question cut off", append(header(0, 1), "\x04ima"...), "FORMERR q0 a0"},
		{"a name that points at itself", append(header(0, 1), "\xc0\x0c\x00\x01\x00\x01"...), "FORMERR q0 a0"},
		{"a name in the header", append(header(0, 1), "\xc0\x05\x00\x01\x00\x01"...), "FORMERR q0 a0"},
		{"a broken update", append(header(dns.OpcodeUpdate<<11, 1), 4), "NOTIMP q0 a0"},
	} {
		q, m := ReadQuery(c.packet)
		got := "silence"
		switch {
		case q != nil:
			got = "query"
		case m != nil:
			got = outline(m)
			if m.Id != 0xabcd || !m.Response {
				t.Errorf("%s: id %x, response %v", c.name, m.Id, m.Response)
			}
		}
		if got != c.want {
			t.Errorf("%s = %s, want %s", c.name, got, c.want)
		}
	}
}

// seeds are queries of every kind.
func seeds(t testing.TB) [][]byte {
	var all [][]byte
	for i, question := range []string{"imap A", "mx AAAA", "@ MX", "none A", "x.wild TXT", "chain A", "x.below A", "@ ANY", "@ DNSKEY", "example.com. A", "_imaps._tcp SRV"} {
		q := query(question)
		if i%2 == 0 {
			o := edns(q, 1232, subnet(t, "100.80.1.0/24"), &dns.EDNS0_NSID{Code: dns.EDNS0NSID},
				&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"})
			o.SetDo(i%4 == 0)
		}
		packet, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, packet)
	}
	return all
}

// checkPacket answers a packet and says what is wrong with that: a reply to a response, one that cannot be sent, one
// that is too large, or a refusal that is larger than the query.
func checkPacket(d *Data, packet []byte) error {
	q, m := ReadQuery(packet)
	if q != nil {
		if m = d.Answer(q, netip.MustParseAddr("192.0.2.1"), true); m == nil {
			return fmt.Errorf("no answer to a query")
		}
	}
	response := len(packet) < 12 || packet[2]&0x80 != 0
	if m == nil {
		if !response {
			return fmt.Errorf("silence")
		}
		return nil
	}
	packed, err := m.Pack()
	switch {
	case err != nil:
		return err
	case response:
		return fmt.Errorf("a reply to a response")
	case len(packed) > udpSize:
		return fmt.Errorf("%d octets", len(packed))
	case m.Id != binary.BigEndian.Uint16(packet) || !m.Response:
		return fmt.Errorf("id %d, response %v", m.Id, m.Response)
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError && len(packed) > len(packet):
		return fmt.Errorf("%s with %d octets for %d", dns.RcodeToString[m.Rcode], len(packed), len(packet))
	}
	return nil
}

func FuzzAnswer(f *testing.F) {
	d := newSigned(f, signed(testTopology), "mail.example.org")
	d.Identity = "eu-1"
	for _, packet := range seeds(f) {
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		if err := checkPacket(d, packet); err != nil {
			t.Errorf("%x: %v", packet, err)
		}
	})
}

// The same of a signed zone, for packets that are questions but for some bytes.
func TestAnswerMutated(t *testing.T) {
	d := newSigned(t, signed(testTopology), "mail.example.org")
	packets := mutated(t)
	for range 10_000 {
		packet := packets()
		if err := checkPacket(d, packet); err != nil {
			t.Fatalf("%x: %v", packet, err)
		}
	}
}
