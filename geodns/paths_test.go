package geodns

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// anyView is a view in which anything may be so.
func anyView(d *Data, random *rand.Rand) *View {
	regions := d.Zones.topology.Regions
	v := &View{States: make([][]State, len(d.Zones.Hosts)), Addresses: make([][]netip.Addr, len(regions))}
	for i := range v.States {
		for range regions {
			v.States[i] = append(v.States[i], State{Down: random.IntN(2) == 0, Changing: random.IntN(3) == 0})
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

// anyAsks is a question of one of the names and types, with options or without.
func anyAsks(names []string, types []uint16, random *rand.Rand) asks {
	a := asks{name: names[random.IntN(len(names))], kind: types[random.IntN(len(types))], id: uint16(random.Uint32())}
	a.rd, a.cd = random.IntN(2) == 0, random.IntN(2) == 0
	if random.IntN(2) == 0 {
		a.edns, a.size, a.do = true, uint16(random.IntN(1500)), random.IntN(2) == 0
	}
	if random.IntN(3) == 0 {
		subnets := []string{"100.64.0.0/12", "1.2.3.4/32", "2001:db8:300::/56", "2002:6440::/20", "2002:6440:101::/48", "::ffff:100.64.0.0/112", "0.0.0.0/1"}
		a.subnet = subnets[random.IntN(len(subnets))]
	}
	if random.IntN(4) == 0 {
		a.cookie = []byte("12345678")
	}
	return a
}

// TestPathsThroughViews holds both paths equal while health changes and packed answers are taken over from one data to the next, and every
// answer below what its client takes.
func TestPathsThroughViews(t *testing.T) {
	const views, questions = 6, 800
	for _, d := range []*Data{newData(t, testTopology), newSigned(t, signed(testTopology), "mail.example.org")} {
		w, random := standing(t, d), rand.New(rand.NewPCG(3, 4))
		long := strings.Repeat(strings.Repeat("l", 60)+".", 3)
		names := []string{".", "example.org.", long + "mail.example.org.", long + "wild.mail.example.org.", `a\.b.mail.example.org.`}
		for name := range w.serving.nodes {
			names = append(names, name, "Nx."+name, upper(name), `\193.`+name)
		}
		types := append([]uint16{0, dns.TypeOPT, 128, 32768, 4711}, packedTypes...)
		for range views {
			next := *d
			next.View = anyView(d, random)
			w.server.Use(&next)
			w.begin()
			w.serving.limit = 0
			for range questions {
				a, udp := anyAsks(names, types, random), random.IntN(3) > 0
				from := netip.AddrFrom4([4]byte{100, byte(random.Uint32()), 1, 1})
				fast, slow, answered := bothPaths(w, a.pack(t), from, udp)
				if answered && !bytes.Equal(fast, slow) {
					t.Fatalf("%+v from %v:\nfast %x\nslow %x", a, from, fast, slow)
				}
				if most := max(512, int(a.size)); udp && len(slow) > most {
					t.Fatalf("%+v: an answer of %d bytes, which is over %d", a, len(slow), most)
				}
			}
		}
	}
}

// TestFitsToTheByte asks for an answer that the library's estimate takes for too large.
func TestFitsToTheByte(t *testing.T) {
	w := standing(t, newSigned(t, signed(testTopology), "mail.example.org"))
	packet := asks{name: "lost.mail.example.org.", kind: dns.TypeTXT, do: true, size: dns.MinMsgSize}.pack(t)
	if m := replyTo(t, w, packet, true); m.Truncated || len(m.Answer) == 0 {
		t.Errorf("an answer that fits is not sent:\n%v", m)
	}
}
