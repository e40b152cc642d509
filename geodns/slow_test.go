package geodns

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// replyTo unpacks the answer to a packet; nil: there is none.
func replyTo(t testing.TB, w *worker, packet []byte, udp bool) *dns.Msg {
	t.Helper()
	out := w.slow(packet, anyClient, udp, nil)
	if len(out) == 0 {
		return nil
	}
	proper(t, packet, out, udp)
	m := new(dns.Msg)
	if err := m.Unpack(out); err != nil {
		t.Fatalf("%x: %v", out, err)
	}
	return m
}

// cookieIn is the cookie of a message, in hexadecimal digits.
func cookieIn(m *dns.Msg) string {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok {
				return c.Cookie
			}
		}
	}
	return ""
}

func TestCookies(t *testing.T) {
	w := standing(t, newData(t, testTopology))
	good := make([]byte, wholeCookie)
	copy(good, "12345678")
	w.server.cookies.make((*[wholeCookie]byte)(good), anyClient, w.now)
	forged := append(append([]byte(nil), good[:23]...), good[23]^1)
	const name, outside = "imap.mail.example.org.", "www.example.net."
	for _, row := range []struct {
		what   string
		name   string
		cookie []byte
		rcode  int
		same   bool // the cookie comes back as it is
		none   bool // there is none in the answer
	}{
		{"the client's part", name, good[:8], dns.RcodeSuccess, false, false},
		{"a good one", name, good, dns.RcodeSuccess, true, false},
		{"a forged one", name, forged, dns.RcodeSuccess, false, false},
		{"another server's", name, append(good[:8:8], make([]byte, 32)...), dns.RcodeSuccess, false, false},
		{"outside our zones", outside, good, dns.RcodeRefused, false, true},
		{"too short", name, good[:7], dns.RcodeFormatError, false, true},
		{"between the lengths", name, good[:15], dns.RcodeFormatError, false, true},
		{"too long", name, make([]byte, 41), dns.RcodeFormatError, false, true},
		{"nothing but a cookie", "", good[:8], dns.RcodeSuccess, false, false},
		{"nothing but a good cookie", "", good, dns.RcodeSuccess, true, false},
		{"nothing but a forged cookie", "", forged, dns.RcodeBadCookie, false, false},
	} {
		packet := asks{name: row.name, kind: dns.TypeA, cookie: row.cookie, size: 1232}.pack(t)
		if row.name == "" {
			packet = append(append(packet[:4:4], 0, 0), packet[6:12]...)
			packet = append(packet, asks{name: ".", kind: dns.TypeA, cookie: row.cookie, size: 1232}.pack(t)[headerSize+5:]...)
		}
		m := replyTo(t, w, packet, true)
		got := cookieIn(m)
		if m.Rcode != row.rcode || (got == "") != row.none || !row.none && (got == hex.EncodeToString(row.cookie)) != row.same {
			t.Errorf("%s: %s, cookie %q", row.what, dns.RcodeToString[m.Rcode], got)
		}
		if row.none {
			continue
		}
		cookie, _ := hex.DecodeString(got)
		if valid, _ := w.server.cookies.check(cookie, anyClient, w.now); !valid || !bytes.Equal(cookie[:8], good[:8]) {
			t.Errorf("%s: the cookie of the answer is none of ours: %s", row.what, got)
		}
	}
}

// TestRateLimitOnBothPaths floods, and counts what comes of it.
func TestRateLimitOnBothPaths(t *testing.T) {
	const limit, flood = 10, 100
	good := make([]byte, wholeCookie)
	for _, row := range []struct {
		what             string
		question         asks
		udp              bool
		full, short, bad int // answers, truncated ones, BADCOOKIE
	}{
		{"no cookie", asks{name: "imap.mail.example.org.", kind: dns.TypeA}, true, limit, 45, 0},
		{"the client's part of one", asks{name: "imap.mail.example.org.", kind: dns.TypeA, cookie: []byte("12345678")}, true, limit, 0, 45},
		{"a good cookie", asks{name: "imap.mail.example.org.", kind: dns.TypeA, cookie: good}, true, flood, 0, 0},
		{"TCP", asks{name: "imap.mail.example.org.", kind: dns.TypeA}, false, flood, 0, 0},
		{"new names all the time", asks{name: "*.mail.example.org.", kind: dns.TypeA, subnet: "100.96.1.0/24"}, true, limit, 45, 0},
		{"outside our zones", asks{name: "*.example.net.", kind: dns.TypeA}, true, limit, 45, 0},
		{"new types all the time", asks{name: "imap.mail.example.org.", kind: 4000}, true, limit, 45, 0},
		{"types that may come to be", asks{name: "imap.mail.example.org.", kind: 40000}, true, limit, 45, 0},
	} {
		for _, path := range []string{"fast", "slow"} {
			w := standing(t, newData(t, testTopology))
			w.serving.limit = limit
			copy(good, "12345678")
			w.server.cookies.make((*[wholeCookie]byte)(good), anyClient, w.now)
			full, short, bad := 0, 0, 0
			for i := range flood {
				a := row.question
				a.name = strings.Replace(a.name, "*", strings.Repeat("x", i%60+1), 1)
				if a.kind >= 4000 {
					a.kind += uint16(i)
				}
				out := make([]byte, udpSize)
				n := -1
				if path == "fast" {
					n = w.fast(a.pack(t), anyClient, row.udp, out)
				}
				if n < 0 {
					n = copy(out, w.slow(a.pack(t), anyClient, row.udp, nil))
				}
				m := new(dns.Msg)
				switch {
				case n == 0:
				case m.Unpack(out[:n]) != nil:
					t.Fatalf("%x", out[:n])
				case m.Rcode == dns.RcodeBadCookie && cookieIn(m) != "" && len(m.Answer) == 0:
					bad++
				case m.Truncated && len(m.Answer)+len(m.Ns) == 0 && n <= len(a.pack(t)):
					short++
				default:
					full++
				}
			}
			if full != row.full || short != row.short || bad != row.bad {
				t.Errorf("%s, %s path: %d full, %d short, %d BADCOOKIE; want %d, %d, %d", row.what, path, full, short, bad, row.full, row.short, row.bad)
			}
		}
	}
}

// TestRateLimitOfMistakes floods with what is no proper query.
func TestRateLimitOfMistakes(t *testing.T) {
	const limit, flood = 10, 100
	subnet := asks{name: "imap.mail.example.org.", kind: dns.TypeA, subnet: "100.96.1.0/24"}.pack(t)
	subnet[len(subnet)-5] = 33
	for name, packet := range map[string][]byte{
		"half a question":   asks{name: "imap.mail.example.org.", kind: dns.TypeA}.pack(t)[:20],
		"no such subnet":    subnet,
		"a cookie too long": asks{name: "imap.mail.example.org.", kind: dns.TypeA, cookie: make([]byte, 41)}.pack(t),
	} {
		w := standing(t, newData(t, testTopology))
		w.serving.limit = limit
		answers := map[bool]int{}
		for range flood {
			for _, udp := range []bool{true, false} {
				if m := replyTo(t, w, packet, udp); m != nil && m.Rcode == dns.RcodeFormatError {
					answers[udp]++
				}
			}
		}
		if answers[true] != limit || answers[false] != flood {
			t.Errorf("%s: %d answers by UDP and %d by TCP, want %d and %d", name, answers[true], answers[false], limit, flood)
		}
	}
}

func TestNeverAnAnswer(t *testing.T) {
	w := standing(t, newData(t, testTopology))
	question := asks{name: "imap.mail.example.org.", kind: dns.TypeA}.pack(t)
	response := append([]byte(nil), question...)
	response[2] |= 0x80
	for name, packet := range map[string][]byte{"a response": response, "less than a header": question[:11], "nothing": nil} {
		if got := w.answerUDP(packet, anyClient, make([]byte, udpSize)); got != 0 {
			t.Errorf("%s: an answer of %d bytes", name, got)
		}
		if got := w.slow(packet, anyClient, false, nil); len(got) != 0 {
			t.Errorf("%s: an answer of %d bytes over TCP", name, len(got))
		}
	}
}

// TestMutated sends packets that are questions but for some bytes; as many as POSTHOUSE_MUTATED says.
func TestMutated(t *testing.T) {
	w := standing(t, newData(t, testTopology))
	packets, many := mutated(t), 20_000
	if n, err := strconv.Atoi(os.Getenv("POSTHOUSE_MUTATED")); err == nil {
		many = n
	}
	for i := range many {
		packet, udp := packets(), i%2 == 0
		out := make([]byte, udpSize)
		n := w.fast(packet, anyClient, udp, out)
		if n < 0 {
			n = 0
			if slow := w.slow(packet, anyClient, udp, nil); len(slow) <= udpSize {
				n = copy(out, slow)
			}
		}
		proper(t, packet, out[:n], udp)
	}
}

func TestMetrics(t *testing.T) {
	w := standing(t, newData(t, testTopology))
	ask := func(name string, kind uint16, subnet string) {
		w.answerUDP(asks{name: name, kind: kind, subnet: subnet}.pack(t), netip.MustParseAddr("192.0.2.1"), make([]byte, udpSize))
	}
	ask("imap.mail.example.org.", dns.TypeA, "")
	ask("IMAP.mail.example.org.", dns.TypeA, "")
	ask("imap.mail.example.org.", dns.TypeAAAA, "100.64.0.0/24")
	ask("nothing.mail.example.org.", dns.TypeA, "")
	ask("www.example.net.", dns.TypeA, "")
	ask("imap.mail.example.org.", 4711, "")
	w.end()
	for _, row := range []struct {
		key  seriesKey
		want uint64
	}{
		{seriesKey{"imap.mail.example.org.", "A", "eu", "NOERROR"}, 2},
		{seriesKey{"imap.mail.example.org.", "AAAA", "us", "NOERROR"}, 1},
		{seriesKey{otherName, "A", "", "NXDOMAIN"}, 1},
		{seriesKey{otherName, "other", "", "REFUSED"}, 1},
		{seriesKey{"imap.mail.example.org.", "other", "", "NOERROR"}, 1},
	} {
		s := w.metrics.all[row.key]
		if s == nil || s.sum() != row.want {
			t.Errorf("%+v: %v, want %d", row.key, s, row.want)
		}
	}
}
