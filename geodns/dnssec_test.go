package geodns

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// signed is a topology with signatures.
func signed(text string) string {
	return strings.Replace(text, "\ndns:\n", "\ndns:\n  dnssec: {keys: KEYS}\n", 1)
}

// newSigned is the data of a signed topology, with a new key for each of its zones.
func newSigned(t testing.TB, text string, zones ...string) *Data {
	t.Helper()
	dir := t.TempDir()
	for _, zone := range zones {
		if _, err := NewKey(dir, zone); err != nil {
			t.Fatal(err)
		}
	}
	return newData(t, strings.ReplaceAll(text, "KEYS", dir))
}

// serveDNS answers over loopback as the server does, without its cookies and limits.
func serveDNS(t testing.TB, d *Data) string {
	t.Helper()
	packets, l := listenBoth(t)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_, tcp := w.RemoteAddr().(*net.TCPAddr)
		w.WriteMsg(d.Answer(q, netip.MustParseAddr("192.0.2.1"), !tcp))
	})
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: l, Handler: handler}} {
		started, ended := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() {
			defer close(ended)
			s.ActivateAndServe()
		}()
		<-started
		t.Cleanup(func() {
			s.Shutdown()
			<-ended
		})
	}
	return packets.LocalAddr().String()
}

// listenBoth finds a port that is free for UDP and TCP.
func listenBoth(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 50 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, l
		}
		packets.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// BIND's validator agrees with every kind of answer, from the zone's key on.
func TestDelv(t *testing.T) {
	delv, err := exec.LookPath("delv")
	if err != nil {
		t.Skip("delv is not installed (Debian: bind9-dnsutils)")
	}
	d := newSigned(t, signed(testTopology), "mail.example.org")
	host, port, _ := net.SplitHostPort(serveDNS(t, d))
	anchors := filepath.Join(t.TempDir(), "anchors")
	key := d.Zones.zones["mail.example.org."].signer.keys[0].Record.PublicKey
	text := fmt.Sprintf("trust-anchors { mail.example.org. static-key 257 3 13 %q; };", key)
	if err := os.WriteFile(anchors, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const yes, no = "; fully validated\n", "; negative response, fully validated\n"
	for _, c := range []struct{ question, want string }{
		{"imap A", yes}, {"imap AAAA", yes}, {"IMAP A", yes}, {"imap TXT", no}, {"imap ANY", yes}, {"imap NSEC", yes},
		{"@ SOA", yes}, {"@ NS", yes}, {"@ DNSKEY", yes}, {"@ CDS", yes}, {"@ CDNSKEY", yes}, {"@ MX", yes}, {"@ TXT", yes}, {"@ A", yes}, {"@ CAA", no},
		{"_imap._tcp SRV", yes}, {"_pop3._tcp A", no}, {"fallback-mx A", yes}, {"autoconfig AAAA", yes},
		{"none A", no}, {"none.below.none A", no}, {"b.empty A", no}, {"x.empty A", no},
		{"x.wild TXT", yes}, {"x.y.wild TXT", yes}, {"X.wild A", no}, {"*.wild TXT", yes},
		{"alias A", yes}, {"alias CNAME", yes}, {"chain AAAA", yes}, {"lost A", yes},
		{"safe DS", yes}, {"below DS", no},
	} {
		name, kind := query(c.question).Question[0].Name, c.question[strings.Index(c.question, " ")+1:]
		out, err := exec.Command(delv, "-a", anchors, "+root=mail.example.org.", "-p", port, "@"+host, name, kind).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "unsigned") {
			t.Errorf("delv %s %s: %v, want %q in\n%s", name, kind, err, c.want, out)
		}
	}
}

// Every set of records that is answered from a signed zone is signed, for those who ask, with a key of the zone.
func TestSignatures(t *testing.T) {
	d := newSigned(t, signed(testTopology), "mail.example.org")
	for _, question := range []string{"imap A", "@ MX", "@ DNSKEY", "x.wild TXT", "lost A", "imap TXT", "none A", "below NS", "x.below A", "safe DS", "imap ANY", "none NSEC"} {
		q := query(question)
		edns(q, 1232).SetDo()
		m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)
		checkSignatures(t, d, question, m.Answer)
		checkSignatures(t, d, question, m.Ns)

		m = d.Answer(query(question), netip.MustParseAddr("192.0.2.1"), true)
		for _, rr := range append(m.Answer, m.Ns...) {
			if rrtype := rr.Header().Rrtype; rrtype == dns.TypeRRSIG || rrtype == dns.TypeNSEC {
				t.Errorf("%s has %s for one who did not ask", question, rr)
			}
		}
	}
}

// checkSignatures checks the signatures of a section. What points to another zone has none (RFC 4035, 2.2).
func checkSignatures(t *testing.T, d *Data, question string, section []dns.RR) {
	t.Helper()
	for _, set := range sets(section) {
		h := set[0].Header()
		if h.Rrtype == dns.TypeRRSIG || h.Rrtype == dns.TypeNS && h.Name != "mail.example.org." {
			continue
		}
		i := slices.IndexFunc(section, func(rr dns.RR) bool {
			s, ok := rr.(*dns.RRSIG)
			return ok && s.TypeCovered == h.Rrtype && s.Hdr.Name == h.Name
		})
		if i < 0 {
			t.Errorf("%s: %s of %s is not signed", question, dns.TypeToString[h.Rrtype], h.Name)
			continue
		}
		s := section[i].(*dns.RRSIG)
		if err := s.Verify(d.Zones.zones["mail.example.org."].signer.keys[0].Record, set); err != nil {
			t.Errorf("%s: %s: %v", question, s, err)
		}
		if !s.ValidityPeriod(time.Now()) || s.Hdr.Ttl != h.Ttl {
			t.Errorf("%s: %s: not valid now, or not for the set's %d s", question, s, h.Ttl)
		}
	}
}

// Names that do not exist are proved to have no types; the rcode says so to those alone who know of that (RFC 9824).
func TestCompactDenial(t *testing.T) {
	d := newSigned(t, signed(testTopology), "mail.example.org")
	for _, c := range []struct {
		question     string
		do, co       bool
		rcode, types string
	}{
		{"none A", false, false, "NXDOMAIN", ""},
		{"none A", true, false, "NOERROR", "RRSIG NSEC NXNAME"},
		{"none A", true, true, "NXDOMAIN", "RRSIG NSEC NXNAME"},
		{"lost A", true, true, "NXDOMAIN", "RRSIG NSEC NXNAME"},
		{"imap TXT", true, true, "NOERROR", "A AAAA RRSIG NSEC"},
		{"empty A", true, true, "NOERROR", "RRSIG NSEC"},
		{"x.wild A", true, true, "NOERROR", "TXT RRSIG NSEC"},
		{"alias.wild CNAME", true, false, "NOERROR", "TXT RRSIG NSEC"},
		{"below DS", true, false, "NOERROR", "NS RRSIG NSEC"},
		{"x.below A", true, false, "NOERROR", "NS RRSIG NSEC"},
		{"@ CAA", true, false, "NOERROR", "A NS SOA MX TXT AAAA RRSIG NSEC DNSKEY CDS CDNSKEY"},
	} {
		q := query(c.question)
		o := edns(q, 1232)
		o.SetCo(c.co)
		o.SetDo(c.do)
		m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)
		var types []string
		for _, rr := range m.Ns {
			nsec, ok := rr.(*dns.NSEC)
			if !ok {
				continue
			}
			if want := `\000.` + dns.CanonicalName(nsec.Hdr.Name); nsec.NextDomain != want {
				t.Errorf("%s: next is %s, want %s", c.question, nsec.NextDomain, want)
			}
			for _, rrtype := range nsec.TypeBitMap {
				types = append(types, dns.TypeToString[rrtype])
			}
		}
		if got := strings.Join(types, " "); dns.RcodeToString[m.Rcode] != c.rcode || got != c.types {
			t.Errorf("%s, DO %v, CO %v = %s, %s; want %s, %s", c.question, c.do, c.co, dns.RcodeToString[m.Rcode], got, c.rcode, c.types)
		}
		if m.IsEdns0().Co() != c.co {
			t.Errorf("%s, CO %v: the reply has CO %v", c.question, c.co, !c.co)
		}
	}
}

// The name after a name is the very next one there could be, and still one where nothing fits any more.
func TestSuccessor(t *testing.T) {
	label := strings.Repeat("x", 63)
	full := strings.Repeat("y", 59) + "." + label + "." + label + "." + label // 255 octets with the zone
	ff := strings.Repeat(`\255`, 59)
	for _, c := range []struct{ name, want string }{
		{"z.", `\000.z.`},
		{"A.z.", `\000.a.z.`},
		{full + ".z.", strings.Repeat("y", 58) + "z" + full[59:] + ".z."},
		{ff[:len(ff)-4] + "@" + full[59:] + ".z.", ff[:len(ff)-4] + "[" + full[59:] + ".z."},
		{ff + full[59:] + ".z.", label[:62] + "y" + full[59+64:] + ".z."},
	} {
		if got := successor(c.name, "z."); got != c.want {
			t.Errorf("after %s comes\n%s, want\n%s", c.name, got, c.want)
		}
	}
	last := strings.Repeat(`\255`, 63)
	if got := successor(strings.Join([]string{strings.Repeat(`\255`, 61), last, last, last}, ".")+".", "."); got != "." {
		t.Errorf("after the last name comes %s, want the zone", got)
	}
}

// A signature is made once a day for a set, whatever the order and the capitals of what is asked.
func TestSignaturesAreKept(t *testing.T) {
	now := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	key, err := NewKey(dir, "mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	count := &counting{Signer: key.private}
	key.private = count
	d := newData(t, testTopology)
	zone := d.Zones.zones["mail.example.org."]
	zone.signer = newSigner(zone.Name, []Key{key}, func() time.Time { return now })
	signatures := func(questions ...string) int {
		before := count.n
		for i, question := range questions {
			q := query(question)
			q.Id = uint16(i)
			edns(q, 1232).SetDo()
			d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)
		}
		return count.n - before
	}
	for _, c := range []struct {
		what      string
		questions []string
		want      int
	}{
		{"a new set", []string{"imap A"}, 1},
		{"the same", []string{"imap A", "imap A", "IMAP A"}, 0},
		{"another", []string{"mx A"}, 1},
		{"a name that is not there", []string{"none A"}, 2},
		{"it again", []string{"none A", "none A"}, 2},
	} {
		if got := signatures(c.questions...); got != c.want {
			t.Errorf("%s takes %d signatures, want %d", c.what, got, c.want)
		}
	}
	now = now.Add(24 * time.Hour)
	if got := signatures("imap A", "imap A"); got != 1 {
		t.Errorf("on the next day there are %d signatures, want 1", got)
	}
}

// counting is a key that counts.
type counting struct {
	crypto.Signer
	n int
}

func (c *counting) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	c.n++
	return c.Signer.Sign(r, digest, o)
}

func BenchmarkSigned(b *testing.B) {
	d := newSigned(b, signed(testTopology), "mail.example.org")
	for _, question := range []string{"imap A", "none A"} {
		b.Run(question, func(b *testing.B) {
			q := query(question)
			edns(q, 1232).SetDo()
			from := netip.MustParseAddr("192.0.2.1")
			b.ReportAllocs()
			for b.Loop() {
				d.Answer(q, from, true)
			}
		})
	}
}

const smallTopology = `
cluster: mail.example.org
regions: {here: {addresses: [192.0.2.10]}}
nodes: [{name: a, address: 10.0.0.1}]
dns:
  listen: ["192.0.2.53:53"]
  zones:
    mail.example.org:
      nameservers: {ns1: [192.0.2.53]}
      records: '@ IN TXT "v=spf1 -all"'
`

// TestSignaturesFollowTheClock has the clock set while a server runs, and health change just then.
func TestSignaturesFollowTheClock(t *testing.T) {
	d := newSigned(t, signed(smallTopology), "mail.example.org")
	synctest.Test(t, func(t *testing.T) {
		set := new(atomic.Int64) // by how much
		d.Zones.now = func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
		s := &Server{Log: slog.New(slog.DiscardHandler)}
		s.Use(d)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		defer running.Wait()
		defer stop()
		packet := asks{name: "mail.example.org.", kind: dns.TypeTXT, do: true, size: 1232}.pack(t)
		good := func() bool {
			w := s.newWorker(0)
			w.begin()
			out := make([]byte, udpSize)
			m := new(dns.Msg)
			if n := w.fast(packet, anyClient, true, out); n <= 0 || m.Unpack(out[:n]) != nil || len(m.Answer) < 2 {
				t.Fatalf("no signed answer: %v", m)
			}
			return m.Answer[1].(*dns.RRSIG).ValidityPeriod(d.Zones.now())
		}
		for _, by := range []time.Duration{0, 30 * 24 * time.Hour, -3 * 24 * time.Hour, 0} {
			set.Store(int64(by))
			next := *d
			next.View = new(View)
			if s.Use(&next); !good() {
				t.Errorf("set by %v: another data has signatures of the day before", by)
			}
			set.Store(int64(by + 20*24*time.Hour))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if !good() {
				t.Errorf("set by %v and again: after two minutes the signatures are of the day before", by)
			}
		}
	})
}
