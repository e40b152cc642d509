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
      records: |
        @ 3600 IN TXT "v=spf1 mx -all"
        a.b.empty IN TXT "below two empty names"
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

// newData is the data of a topology.
func newData(t testing.TB, text string) *Data {
	t.Helper()
	zones, err := NewZones(load(t, text), 2026)
	if err != nil {
		t.Fatal(err)
	}
	return &Data{Zones: zones}
}

// ask asks for "NAME TYPE" and returns the rcode and the records of answer and authority, without TTL and class.
func ask(t testing.TB, d *Data, question string) string {
	t.Helper()
	name, kind, _ := strings.Cut(question, " ")
	q := new(dns.Msg).SetQuestion(name, dns.StringToType[kind])
	q.Id = 0
	m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)
	return described(m)
}

func described(m *dns.Msg) string {
	words := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		words = append(words, short(rr))
	}
	for _, rr := range m.Ns {
		words = append(words, "/", short(rr))
	}
	return strings.Join(words, " ")
}

// short is a record without class and TTL, and an SOA without its contents.
func short(rr dns.RR) string {
	if rr.Header().Rrtype == dns.TypeSOA {
		return "SOA"
	}
	fields := strings.Fields(rr.String())
	return strings.Join(append(fields[3:4:4], fields[4:]...), " ")
}

func TestAnswer(t *testing.T) {
	d := newData(t, testTopology)
	for _, c := range []struct{ question, want string }{
		{"imap.mail.example.org. A", "NOERROR A 192.0.2.10 A 192.0.2.11"},
		{"IMAP.mail.Example.org. AAAA", "NOERROR AAAA 2001:db8:1::10"},
		{"imap.mail.example.org. TXT", "NOERROR / SOA"},
		{"ns1.mail.example.org. A", "NOERROR A 192.0.2.53"},
		{"mail.example.org. NS", "NOERROR NS ns1.mail.example.org. NS ns2.example.net."},
		{"mail.example.org. SOA", "NOERROR SOA"},
		{"mail.example.org. TXT", `NOERROR TXT "v=spf1 mx -all"`},
		{"b.empty.mail.example.org. A", "NOERROR / SOA"},
		{"none.mail.example.org. A", "NXDOMAIN / SOA"},
		{"example.org. A", "REFUSED"},
	} {
		if got := ask(t, d, c.question); got != c.want {
			t.Errorf("%s = %s, want %s", c.question, got, c.want)
		}
	}
}
