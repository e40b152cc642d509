package geodns

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// clients is an address in each region of testAtlas.
var clients = []string{eu: "192.0.2.1", us: "100.64.0.1", ap: "100.80.0.1", ch: "100.96.0.1"}

// viewOf is a view in which hosts are down or changing in regions: "imap/eu".
func viewOf(t *testing.T, d *Data, down, changing []string) *View {
	t.Helper()
	v := &View{States: make([][]State, len(d.Zones.Hosts))}
	known := 0
	for i, h := range d.Zones.Hosts {
		v.States[i] = make([]State, len(d.Zones.topology.Regions))
		for j, r := range d.Zones.topology.Regions {
			label, _, _ := cutName(h.Name)
			key := label + "/" + r.Name
			v.States[i][j] = State{Down: !h.runs[j] || slices.Contains(down, key), Changing: slices.Contains(changing, key)}
			if slices.Contains(down, key) || slices.Contains(changing, key) {
				known++
			}
		}
	}
	if known < max(len(down), len(changing)) {
		t.Fatalf("%v and %v name what is not there", down, changing)
	}
	return v
}

func cutName(name string) (first, rest string, more bool) {
	i, end := dns.NextLabel(name, 0)
	return name[:i-1], name[i:], !end
}

// Which region answers: the nearest that can serve, of those that a region's clients may go to.
func TestChoose(t *testing.T) {
	addresses := map[string]string{"192.0.2.10": "eu", "198.51.100.10": "us", "203.0.113.10": "ap", "192.0.2.130": "ch"}
	down := func(names ...string) []string { return names }
	d := newData(t, testTopology)
	for _, c := range []struct {
		client     int
		host       string
		down, near []string
		want       string
		ttl        uint32
	}{
		{eu, "mx", nil, nil, "eu", 60},
		{us, "mx", nil, nil, "us", 60},
		{ap, "mx", nil, nil, "ap", 60},
		{ch, "mx", nil, nil, "ch", 60},
		{ap, "imap", nil, nil, "us", 60}, // ap does not run it

		{eu, "mx", down("mx/eu"), nil, "ch", 60},
		{eu, "mx", down("mx/eu", "mx/ch"), nil, "us", 60},
		{eu, "imap", down("mx/eu"), nil, "eu", 60},                          // another host's trouble
		{ap, "mx", down("mx/ap", "mx/us"), nil, "eu", 60},                   // its own order of failover
		{ap, "mx", down("mx/ap", "mx/us", "mx/eu"), nil, "ap", 60},          // nobody that it may go to: as if all could
		{ap, "imap", down("imap/us", "imap/eu"), nil, "us", 60},             // as if all could, but ap never does
		{ch, "mx", down("mx/ch"), nil, "ch", 60},                            // its clients stay
		{us, "mx", down("mx/eu", "mx/us", "mx/ap", "mx/ch"), nil, "us", 60}, // geography alone

		{eu, "fallback-mx", nil, nil, "ch", 60},
		{us, "fallback-mx", nil, nil, "eu", 60},
		{us, "fallback-mx", down("mx/eu"), nil, "ap", 60},
		{us, "fallback-mx", down("mx/us"), nil, "ap", 60},                   // eu answers for mx
		{us, "fallback-mx", down("mx/eu", "mx/ap", "mx/ch"), nil, "eu", 60}, // us is mx, eu might be up after all
		{ch, "fallback-mx", nil, nil, "ch", 60},

		{eu, "mx", nil, down("mx/eu"), "eu", 15},
		{eu, "mx", nil, down("mx/ch"), "eu", 60}, // decides nothing
		{eu, "mx", down("mx/eu"), down("mx/eu"), "ch", 15},
		{eu, "mx", down("mx/eu"), down("mx/ch"), "ch", 15},
		{eu, "mx", down("mx/eu"), down("mx/us"), "ch", 60},
	} {
		d.View = viewOf(t, d, c.down, c.near)
		m := d.Answer(query(c.host+" A"), netip.MustParseAddr(clients[c.client]), true)
		rr := m.Answer[0].(*dns.A)
		if got := addresses[rr.A.String()]; got != c.want || rr.Hdr.Ttl != c.ttl {
			t.Errorf("%s for a client in %s, %v down, %v changing = %s for %d s, want %s for %d s", c.host,
				d.Zones.topology.Regions[c.client].Name, c.down, c.near, got, rr.Hdr.Ttl, c.want, c.ttl)
		}
	}
}

// An address that does not answer is left out, but never the last of its family.
func TestGoodAddresses(t *testing.T) {
	d := newData(t, testTopology)
	for _, c := range []struct{ good, want4, want6 string }{
		{"192.0.2.10 192.0.2.11 2001:db8:1::10", "NOERROR A 192.0.2.10 A 192.0.2.11", "NOERROR AAAA 2001:db8:1::10"},
		{"192.0.2.11 2001:db8:1::10", "NOERROR A 192.0.2.11", "NOERROR AAAA 2001:db8:1::10"},
		{"192.0.2.11", "NOERROR A 192.0.2.11", "NOERROR AAAA 2001:db8:1::10"},
		{"2001:db8:1::10", "NOERROR A 192.0.2.10 A 192.0.2.11", "NOERROR AAAA 2001:db8:1::10"},
		{"", "NOERROR A 192.0.2.10 A 192.0.2.11", "NOERROR AAAA 2001:db8:1::10"},
	} {
		d.View = &View{Addresses: make([][]netip.Addr, 4)}
		for _, a := range d.Zones.topology.Regions[eu].Addresses {
			if slices.Contains(strings.Fields(c.good), a.String()) {
				d.View.Addresses[eu] = append(d.View.Addresses[eu], a)
			}
		}
		if got := ask(t, d, "mx A", clients[eu]); got != c.want4 {
			t.Errorf("A with %q good = %s, want %s", c.good, got, c.want4)
		}
		if got := ask(t, d, "mx AAAA", clients[eu]); got != c.want6 {
			t.Errorf("AAAA with %q good = %s, want %s", c.good, got, c.want6)
		}
	}
}

// Whether a name exists, which types it has and which scope its answers have depends neither on health nor, but for
// the scope, on who asks.
func TestExistence(t *testing.T) {
	d := newSigned(t, signed(testTopology), "mail.example.org")
	d.Places = testAtlas
	random := rand.New(rand.NewPCG(4, 2))
	questions := []string{"mx A", "mx AAAA", "mx TXT", "imap A", "imap AAAA", "web A", "fallback-mx A", "fallback-mx AAAA", "autoconfig A",
		"none A", "@ A", "@ MX", "alias A", "empty A", "x.wild TXT"}
	exists := make(map[string]string) // by question
	scope := make(map[string]string)  // by question and client
	for range 2_000 {
		d.View = randomView(random, d)
		question := questions[random.IntN(len(questions))]
		client := clients[random.IntN(len(clients))]
		q := query(question)
		o := edns(q, 1232, subnet(t, client+"/32"))
		o.SetDo()
		m := d.Answer(q, netip.MustParseAddr("192.0.2.1"), true)

		if got, want := shape(m), exists[question]; want == "" {
			exists[question] = got
		} else if got != want {
			t.Fatalf("%s for %s: %s, and for others %s", question, client, got, want)
		}
		key := question + client
		if got, want := m.IsEdns0().Option[0].String(), scope[key]; want == "" {
			scope[key] = got
		} else if got != want {
			t.Fatalf("%s for %s: scope %s, and before %s", question, client, got, want)
		}
	}
}

// shape is the rcode, the owners and types in the answer, and what an NSEC record says.
func shape(m *dns.Msg) string {
	s := dns.RcodeToString[m.Rcode]
	last := ""
	for _, rr := range append(m.Answer, m.Ns...) {
		word := fmt.Sprint(" ", rr.Header().Name, dns.TypeToString[rr.Header().Rrtype])
		if nsec, ok := rr.(*dns.NSEC); ok {
			word += fmt.Sprint(nsec.TypeBitMap)
		}
		if word != last {
			s += word
		}
		last = word
	}
	return s
}

func randomView(random *rand.Rand, d *Data) *View {
	regions := d.Zones.topology.Regions
	v := &View{States: make([][]State, len(d.Zones.Hosts)), Addresses: make([][]netip.Addr, len(regions))}
	for i := range v.States {
		v.States[i] = make([]State, len(regions))
		for j := range v.States[i] {
			v.States[i][j] = State{Down: random.IntN(2) == 0, Changing: random.IntN(3) == 0}
		}
	}
	for i, r := range regions {
		for _, a := range r.Addresses {
			if random.IntN(2) == 0 {
				v.Addresses[i] = append(v.Addresses[i], a)
			}
		}
	}
	return v
}

// Where regions have no address, or lack one of the families, every client gets an answer nevertheless.
func TestRegionsWithoutAddresses(t *testing.T) {
	const text = `
cluster: mail.example.org
region: a
regions:
  a: {addresses: [%s], failover: [b]}
  b: {addresses: [%s]}
  c: {addresses: [192.0.2.3], failover: []}
nodes:
  - {name: b-1, address: 10.0.0.1, region: b}
  - {name: c-1, address: 10.0.0.2, region: c, services: [imaps]}
defaults: {proxy_protocol: v2}
dns:
  listen: ["192.0.2.53:53"]
  zones:
    mail.example.org: {nameservers: {ns1: [192.0.2.53]}, hosts: {mx: [smtp], none: [lmtp]}}
`
	for _, c := range []struct{ a, b, question, want string }{
		{"192.0.2.1", "192.0.2.2", "mx A", "192.0.2.2 192.0.2.2 192.0.2.3"},
		{"", "192.0.2.2", "mx A", "192.0.2.2 192.0.2.2 192.0.2.3"},
		{`"2001:db8::1"`, "192.0.2.2", "mx A", "192.0.2.2 192.0.2.2 192.0.2.3"},
		{`"2001:db8::1"`, "192.0.2.2", "mx AAAA", "- - -"},
		{"192.0.2.1", "", "mx A", "192.0.2.1 192.0.2.3 192.0.2.3"}, // those that run it have no address
		{"192.0.2.1", "192.0.2.2", "none A", "192.0.2.1 192.0.2.2 192.0.2.3"},
	} {
		zones, err := NewZones(load(t, fmt.Sprintf(text, c.a, c.b)), 1)
		if err != nil {
			t.Fatal(err)
		}
		d := &Data{Zones: zones, Places: &atlas{orders: [][]uint8{{0, 1, 2}, {1, 2, 0}, {2, 1, 0}}}}
		got := ""
		for order := range uint16(3) {
			answer := "-"
			if m := d.AnswerAt(query(c.question), Place{Order: order}, true); len(m.Answer) > 0 {
				answer = strings.Fields(m.Answer[0].String())[4]
			}
			got += answer + " "
		}
		if got != c.want+" " {
			t.Errorf("%s with a at %q and b at %q = %s, want %s", c.question, c.a, c.b, got, c.want)
		}
	}
}
