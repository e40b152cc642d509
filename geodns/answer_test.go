package geodns

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"posthouse/config"
)

// testTopology has three regions, of which ap has no imaps and ch keeps its clients.
const testTopology = `
cluster: mail.example.org
region: eu
regions:
  eu: {location: [50.11, 8.68], addresses: [192.0.2.10, 192.0.2.11, "2001:db8:1::10"]}
  us: {location: [38.95, -77.45], addresses: [198.51.100.10, "2001:db8:2::10"]}
  ap: {location: [35.68, 139.69], addresses: [203.0.113.10, "2001:db8:3::10"], failover: [us, eu]}
  ch: {location: [46.95, 7.45], addresses: [192.0.2.130, "2001:db8:4::10"], failover: []}
nodes:
  - {name: "eu-[1-4]", address: 10.1.0.1+, region: eu}
  - {name: "us-[1-4]", address: 10.2.0.1+, region: us}
  - {name: "ap-[1-4]", address: 10.3.0.1+, region: ap, services: [smtp]}
  - {name: "ch-[1-4]", address: 10.4.0.1+, region: ch}
defaults: {proxy_protocol: v2}
dns:
  listen: ["192.0.2.53:53"]
  zones:
    mail.example.org:
      nameservers: {ns1: [192.0.2.53, "2001:db8::53"], ns2.example.net.: []}
      hosts:
        imap: [imaps]
        mx: [smtp]
        web: {any: [jmap, webdav]}
        "@": [http]
      domains: [mail.example.org]
      tlsrpt: mailto:tls@example.org
      records: |
        @ 3600 IN TXT "v=spf1 mx -all"
        a.b.empty IN TXT "below two empty names"
        *.wild IN TXT "any"
        here.wild IN A 192.0.2.98
        alias IN CNAME imap
        chain IN CNAME Alias
        out IN CNAME www.example.net.
        lost IN CNAME none
        loop IN CNAME pool
        pool IN CNAME loop
        into IN CNAME x.below
        below IN NS ns.below
        below IN NS ns1
        ns.below IN A 192.0.2.99
        safe IN NS ns.below
        safe IN DS 12345 13 2 49FD46E6C4B45C55D4AC49FD46E6C4B45C55D4AC49FD46E6C4B45C55D4AC0000
`

// load loads a topology that is fine.
func load(t testing.TB, text string) *config.Topology {
	t.Helper()
	path := filepath.Join(t.TempDir(), "topology.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	topology, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// atlas is a Places of a few networks; what is in none of them is in the first order.
type atlas struct {
	orders   [][]uint8
	networks []network
}

type network struct {
	prefix netip.Prefix
	order  uint16
}

func (a *atlas) Lookup(addr netip.Addr) (uint16, uint8) {
	for _, n := range a.networks {
		if n.prefix.Contains(addr) {
			return n.order, uint8(n.prefix.Bits())
		}
	}
	return 0, 3
}

func (a *atlas) Order(i uint16) []uint8 { return a.orders[i] }
func (a *atlas) Orders() int            { return len(a.orders) }

// The regions of testTopology by index.
const (
	eu = iota
	us
	ap
	ch
)

// testAtlas has a network for each region, in both families, with the others behind it.
var testAtlas = &atlas{
	orders: [][]uint8{eu: {eu, ch, us, ap}, us: {us, eu, ap, ch}, ap: {ap, us, eu, ch}, ch: {ch, eu, us, ap}},
	networks: []network{
		{netip.MustParsePrefix("100.64.0.0/12"), us},
		{netip.MustParsePrefix("100.80.0.0/13"), ap},
		{netip.MustParsePrefix("100.96.0.0/20"), ch},
		{netip.MustParsePrefix("2001:db8:100::/40"), us},
		{netip.MustParsePrefix("2001:db8:200::/41"), ap},
		{netip.MustParsePrefix("2001:db8:300::/48"), ch},
	},
}

// newData is the data of a topology, with the places of testAtlas.
func newData(t testing.TB, text string) *Data {
	t.Helper()
	zones, err := NewZones(load(t, text), 2026)
	if err != nil {
		t.Fatal(err)
	}
	d := &Data{Zones: zones}
	if len(zones.topology.Regions) == len(testAtlas.orders) {
		d.Places = testAtlas
	}
	return d
}

// query is the query "NAME TYPE" with the id 0. A name without a final dot is in mail.example.org.
func query(question string) *dns.Msg {
	name, kind, _ := strings.Cut(question, " ")
	switch {
	case name == "@":
		name = "mail.example.org."
	case !strings.HasSuffix(name, "."):
		name += ".mail.example.org."
	}
	q := new(dns.Msg).SetQuestion(name, dns.StringToType[kind])
	q.Id = 0
	return q
}

// ask asks a question from an address and describes the answer.
func ask(t testing.TB, d *Data, question, from string) string {
	t.Helper()
	return described(d.Answer(query(question), netip.MustParseAddr(from), true))
}

// described is the rcode and the records of answer, authority ("/") and additional ("+") section, without the OPT.
func described(m *dns.Msg) string {
	words := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		words = append(words, short(rr))
	}
	for _, rr := range m.Ns {
		words = append(words, "/", short(rr))
	}
	for _, rr := range m.Extra {
		if rr.Header().Rrtype != dns.TypeOPT {
			words = append(words, "+", short(rr))
		}
	}
	return strings.Join(words, " ")
}

// short is a record without class and TTL. An SOA is without its contents, and a name in the zone without the zone.
func short(rr dns.RR) string {
	if rr.Header().Rrtype == dns.TypeSOA {
		return "SOA"
	}
	fields := strings.Fields(rr.String())
	return strings.ReplaceAll(strings.Join(fields[3:], " "), ".mail.example.org.", "")
}

func TestAnswer(t *testing.T) {
	d := newData(t, testTopology)
	for _, c := range []struct{ question, want string }{
		// by region
		{"imap A", "NOERROR A 192.0.2.10 A 192.0.2.11"},
		{"IMAP AAAA", "NOERROR AAAA 2001:db8:1::10"},
		{"@ A", "NOERROR A 192.0.2.10 A 192.0.2.11"},
		{"imap TXT", "NOERROR / SOA"},
		{"imap HTTPS", "NOERROR / SOA"},

		// the zone's own
		{"ns1 A", "NOERROR A 192.0.2.53"},
		{"ns1 AAAA", "NOERROR AAAA 2001:db8::53"},
		{"@ NS", "NOERROR NS ns1 NS ns2.example.net. + A 192.0.2.53 + AAAA 2001:db8::53"},
		{"@ SOA", "NOERROR SOA"},
		{"@ TXT", `NOERROR TXT "v=spf1 mx -all"`},
		{"@ DS", "NOERROR / SOA"},
		{"@ NSEC", "NOERROR / SOA"},

		// names that are not there, that have only names below them, and wildcards (RFC 4592, 2.2.1)
		{"none A", "NXDOMAIN / SOA"},
		{"x.none A", "NXDOMAIN / SOA"},
		{"x.imap A", "NXDOMAIN / SOA"},
		{"b.empty A", "NOERROR / SOA"},
		{"empty A", "NOERROR / SOA"},
		{"x.empty A", "NXDOMAIN / SOA"},
		{"x.wild TXT", `NOERROR TXT "any"`},
		{"x.y.wild TXT", `NOERROR TXT "any"`},
		{"x.wild A", "NOERROR / SOA"},
		{"*.wild TXT", `NOERROR TXT "any"`},
		{"wild TXT", "NOERROR / SOA"},
		{"here.wild TXT", "NOERROR / SOA"},
		{"x.here.wild TXT", "NXDOMAIN / SOA"},

		// aliases
		{"alias A", "NOERROR CNAME imap A 192.0.2.10 A 192.0.2.11"},
		{"alias CNAME", "NOERROR CNAME imap"},
		{"alias ANY", "NOERROR CNAME imap"},
		{"alias TXT", "NOERROR CNAME imap / SOA"},
		{"chain AAAA", "NOERROR CNAME Alias CNAME imap AAAA 2001:db8:1::10"},
		{"out A", "NOERROR CNAME www.example.net."},
		{"lost A", "NXDOMAIN CNAME none / SOA"}, // RFC 6604, 2.1
		{"loop A", "NOERROR" + strings.Repeat(" CNAME pool CNAME loop", maxChain/2)},
		{"into A", "NOERROR CNAME x.below"},

		// zones of others below
		{"x.below A", "NOERROR / NS ns.below / NS ns1 + A 192.0.2.99 + A 192.0.2.53 + AAAA 2001:db8::53"},
		{"below NS", "NOERROR / NS ns.below / NS ns1 + A 192.0.2.99 + A 192.0.2.53 + AAAA 2001:db8::53"},
		{"ns.below A", "NOERROR / NS ns.below / NS ns1 + A 192.0.2.99 + A 192.0.2.53 + AAAA 2001:db8::53"},
		{"below DS", "NOERROR / SOA"},
		{"safe DS", "NOERROR DS 12345 13 2 49FD46E6C4B45C55D4AC49FD46E6C4B45C55D4AC49FD46E6C4B45C55D4AC0000"},

		// what gets little or nothing
		{"imap ANY", `NOERROR HINFO "RFC8482" ""`},
		{"none ANY", "NXDOMAIN / SOA"},
		{"imap RRSIG", `NOERROR HINFO "RFC8482" ""`},
		{"@ AXFR", "REFUSED"},
		{"@ IXFR", "REFUSED"},
		{"imap NXNAME", "FORMERR"},
		{"imap OPT", "FORMERR"},
		{"example.org. A", "REFUSED"},
		{"notmail.example.org. A", "REFUSED"},
		{". NS", "REFUSED"},
	} {
		if got := ask(t, d, c.question, "192.0.2.1"); got != c.want {
			t.Errorf("%s =\n\t%s, want\n\t%s", c.question, got, c.want)
		}
	}
}

func TestMailRecords(t *testing.T) {
	d := newData(t, testTopology)
	for _, c := range []struct{ question, want string }{
		{"@ MX", "NOERROR MX 10 mx MX 20 fallback-mx"},
		{"fallback-mx A", "NOERROR A 192.0.2.130"},
		{"_imaps._tcp SRV", "NOERROR SRV 0 1 993 imap"},
		{"_jmap._tcp SRV", "NOERROR SRV 0 1 443 web"},
		{"_caldavs._tcp SRV", "NOERROR SRV 0 1 443 web"},
		{"_caldavs._tcp TXT", `NOERROR TXT "path=/dav/cal"`},
		{"_carddavs._tcp TXT", `NOERROR TXT "path=/dav/card"`},
		{"_pop3s._tcp SRV", "NOERROR SRV 0 0 0 ."},
		{"_imap._tcp SRV", "NOERROR SRV 0 0 0 ."},
		{"_submissions._tcp SRV", "NOERROR SRV 0 0 0 ."},
		{"_sieve._tcp SRV", "NXDOMAIN / SOA"},
		{"_tcp A", "NOERROR / SOA"},
		{"autoconfig A", "NOERROR A 192.0.2.10 A 192.0.2.11"},
		{"autodiscover AAAA", "NOERROR AAAA 2001:db8:1::10"},
		{"mta-sts A", "NOERROR A 192.0.2.10 A 192.0.2.11"},
		{"_mta-sts TXT", `NOERROR TXT "v=STSv1; id=00909a7782343418"`},
		{"_smtp._tls TXT", `NOERROR TXT "v=TLSRPTv1; rua=mailto:tls@example.org"`},
	} {
		if got := ask(t, d, c.question, "192.0.2.1"); got != c.want {
			t.Errorf("%s =\n\t%s, want\n\t%s", c.question, got, c.want)
		}
	}
}

// What the file says of a name stands in place of what would be made.
func TestMailRecordsGiveWay(t *testing.T) {
	d := newData(t, strings.Replace(testTopology, "      records: |", `      records: |
        @ MX 5 elsewhere.example.net.
        autoconfig CNAME config.example.net.
        mta-sts A 192.0.2.77
        _mta-sts TXT "v=STSv1; id=mine"
        fallback-mx A 192.0.2.78
        _imaps._tcp SRV 7 7 7 imap`, 1))
	for _, c := range []struct{ question, want string }{
		{"@ MX", "NOERROR MX 5 elsewhere.example.net."},
		{"autoconfig A", "NOERROR CNAME config.example.net."},
		{"mta-sts A", "NOERROR A 192.0.2.77"},
		{"mta-sts AAAA", "NOERROR / SOA"},
		{"_mta-sts TXT", `NOERROR TXT "v=STSv1; id=mine"`},
		{"fallback-mx A", "NOERROR A 192.0.2.78"},
		{"_imaps._tcp SRV", "NOERROR SRV 7 7 7 imap"},
		{"autodiscover A", "NOERROR A 192.0.2.10 A 192.0.2.11"},
	} {
		if got := ask(t, d, c.question, "192.0.2.1"); got != c.want {
			t.Errorf("%s =\n\t%s, want\n\t%s", c.question, got, c.want)
		}
	}
}

// The id of the policy of MTA-STS changes with the names of MX, whether they are made or given, and with nothing else.
func TestPolicyID(t *testing.T) {
	id := func(old, new string) string {
		text := strings.Replace(testTopology, old, new, 1)
		if text == testTopology && old != new {
			t.Fatalf("the topology has no %q", old)
		}
		return ask(t, newData(t, text), "_mta-sts TXT", "192.0.2.1")
	}
	const records = "      records: |"
	made := id("", "")
	given := id(records, records+"\n        @ MX 5 elsewhere.example.net.")
	if given == made || given == id(records, records+"\n        @ MX 5 another.example.net.") {
		t.Errorf("%s with MX of the file, %s with ours: not another for each", given, made)
	}
	for old, new := range map[string]string{
		records:      records + "\n        other MX 5 elsewhere.example.net.",
		"mx: [smtp]": "mail: [smtp]",
	} {
		if got := id(old, new); (got == made) != (old == records) {
			t.Errorf("with %q: %s, before %s", new, got, made)
		}
	}
}

// Zones of one file know of each other: the upper one tells where the lower one begins, mail domains lie where they
// lie, and aliases are followed from one to the other.
func TestZonesTogether(t *testing.T) {
	d := newData(t, `
cluster: mail.example.org
nodes: [{name: node-1, address: 10.0.0.1}]
regions: {eu: {addresses: [192.0.2.10]}}
defaults: {proxy_protocol: v2}
dns:
  listen: ["192.0.2.53:53"]
  zones:
    example.org:
      nameservers: {ns1: [192.0.2.53]}
      records: |
        www CNAME imap.mail
    mail.example.org:
      nameservers: {ns1.example.org.: [192.0.2.54]}
      hosts: {mx: [smtp], imap: [imaps]}
      domains: [example.org, mail.example.org]
`)
	for _, c := range []struct{ question, want string }{
		{"example.org. MX", "NOERROR MX 10 mx"},
		{"_imaps._tcp.example.org. SRV", "NOERROR SRV 0 1 993 imap"},
		{"@ MX", "NOERROR MX 10 mx"},
		{"www.example.org. A", "NOERROR CNAME imap A 192.0.2.10"},
		{"@ DS", "NOERROR / SOA"},
		{"@ NS", "NOERROR NS ns1.example.org. + A 192.0.2.53 + A 192.0.2.54"},
		{"ns1.example.org. A", "NOERROR A 192.0.2.53 A 192.0.2.54"},
		{"none.example.org. A", "NXDOMAIN / SOA"},
	} {
		if got := ask(t, d, c.question, "192.0.2.1"); got != c.want {
			t.Errorf("%s =\n\t%s, want\n\t%s", c.question, got, c.want)
		}
	}
	if got := d.Zones.zones["example.org."].names["mail.example.org."].types(); len(got) != 1 || got[0] != dns.TypeNS {
		t.Errorf("example.org has %v for mail.example.org, want NS", got)
	}
}

// Addresses begin with another one for each id; the rest of the answer does not move.
func TestRotation(t *testing.T) {
	d := newData(t, testTopology)
	for id, want := range []string{
		"NOERROR A 192.0.2.10 A 192.0.2.11",
		"NOERROR A 192.0.2.11 A 192.0.2.10",
		"NOERROR A 192.0.2.10 A 192.0.2.11",
	} {
		q := query("imap A")
		q.Id = uint16(id)
		if got := described(d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)); got != want {
			t.Errorf("id %d = %s, want %s", id, got, want)
		}
	}
}

// A name comes back with the capitals with which it was asked for, in every record that it owns.
func TestCapitals(t *testing.T) {
	d := newData(t, testTopology)
	for _, question := range []string{"ImAp A", "nS1 A", "X.wILd TXT", "cHAIN A", "_IMAPS._tcp SRV"} {
		q := query(question)
		m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Unpack(packed); err != nil {
			t.Fatal(err)
		}
		want := q.Question[0].Name
		if m.Question[0].Name != want || m.Answer[0].Header().Name != want {
			t.Errorf("%s came back as %s and %s", want, m.Question[0].Name, m.Answer[0].Header().Name)
		}
	}
}

// A set has one TTL (RFC 2181, 5.2), and a record without one has the zone's, not that of the record before it.
func TestTTL(t *testing.T) {
	d := newData(t, strings.Replace(testTopology, "      records: |", `      records: |
        set 300 A 192.0.2.1
        set 200 A 192.0.2.2
        plain A 192.0.2.3`, 1))
	for question, want := range map[string]uint32{"set A": 200, "plain A": 60, "@ TXT": 3600, "imap A": 60, "none A": 60} {
		m := d.Answer(query(question), netip.MustParseAddr("192.0.2.1"), true)
		for _, rr := range append(m.Answer, m.Ns...) {
			if got := rr.Header().Ttl; got != want {
				t.Errorf("%s: TTL %d, want %d", question, got, want)
			}
		}
	}
}
