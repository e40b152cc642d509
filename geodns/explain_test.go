package geodns

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// What is explained is what is answered, for names of every kind, clients everywhere and regions in any state.
func TestExplainIsAnswer(t *testing.T) {
	d := newData(t, testTopology)
	for _, down := range [][]string{nil, {"imap/eu", "mx/us"}, {"imap/eu", "imap/us", "imap/ch", "mx/ap"}} {
		d.View = viewOf(t, d, down, nil)
		for _, name := range []string{"imap", "mx", "fallback-mx", "web", "@", "alias", "chain", "out", "lost", "loop", "a.b.empty", "x.wild", "none", "below"} {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT} {
				for _, client := range clients {
					checkExplained(t, d, name, qtype, netip.MustParseAddr(client))
				}
			}
		}
	}
}

func checkExplained(t *testing.T, d *Data, name string, qtype uint16, client netip.Addr) {
	t.Helper()
	name = strings.TrimPrefix(name+".mail.example.org.", "@.")
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.Id = 0
	m := d.AnswerAt(q, d.Place(netip.PrefixFrom(client, 32)), false)
	e := d.Explain(name, qtype, client)
	var want []string
	for _, rr := range m.Answer {
		want = append(want, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	if !slices.Equal(e.Records, want) && len(e.Records)+len(want) > 0 || e.Rcode != dns.RcodeToString[m.Rcode] {
		t.Errorf("%s %s for %s: explained as %s %v, answered as %s %v",
			name, dns.TypeToString[qtype], client, e.Rcode, e.Records, dns.RcodeToString[m.Rcode], want)
	}
	chosen := 0
	for _, r := range e.Regions {
		if r.Chosen {
			chosen++
		}
	}
	byRegion := len(want) > 0 && (qtype == dns.TypeA || qtype == dns.TypeAAAA) && e.Host != ""
	if byRegion && chosen != 1 || !byRegion && chosen != 0 {
		t.Errorf("%s %s for %s: %d regions are said to be answered", name, dns.TypeToString[qtype], client, chosen)
	}
}

func TestExplainSays(t *testing.T) {
	d := newData(t, testTopology)
	d.View = viewOf(t, d, []string{"mx/us"}, []string{"mx/eu"})
	d.View.Addresses = make([][]netip.Addr, 4)
	d.View.Addresses[eu] = []netip.Addr{netip.MustParseAddr("192.0.2.11")}
	e := d.Explain("mx.mail.example.org.", dns.TypeA, netip.MustParseAddr(clients[ap]))
	var got []string
	for _, r := range e.Regions {
		got = append(got, r.Region+" "+r.Says)
	}
	want := []string{"ap can serve smtp", "us cannot serve smtp: no active node with weight is up", "eu can serve smtp, but that is about to change", "ch is not in failover of ap"}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	e = d.Explain("mx.mail.example.org.", dns.TypeA, netip.MustParseAddr(clients[eu]))
	if want := []netip.Addr{netip.MustParseAddr("192.0.2.10")}; !slices.Equal(e.LeftOut, want) {
		t.Errorf("left out: %v, want %v", e.LeftOut, want)
	}
}

func TestInside(t *testing.T) {
	for client, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "2002:c000:201::5": "192.0.2.1", "64:ff9b::192.0.2.1": "192.0.2.1",
		"2001:0:1:2:3:4:3fff:fdfe": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
	} {
		if got := Inside(netip.MustParseAddr(client)); got.String() != want {
			t.Errorf("Inside(%s) = %s, want %s", client, got, want)
		}
	}
}
