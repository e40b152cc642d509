package geodns

import (
	"math/rand/v2"
	"testing"

	"github.com/miekg/dns"
)

// mutated makes packets that are questions but for some bytes, the same ones in every run.
func mutated(t testing.TB) func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var seeds [][]byte
	for _, a := range []asks{
		{name: "imap.mail.example.org.", kind: dns.TypeA, rd: true},
		{name: "web.mail.example.org.", kind: dns.TypeAAAA, subnet: "2001:db8:300::/56", do: true, size: 4096},
		{name: "imap.mail.example.org.", kind: dns.TypeA, subnet: "100.96.1.0/24", cookie: []byte("12345678")},
		{name: "nothing.mail.example.org.", kind: dns.TypeTXT, cookie: make([]byte, wholeCookie)},
		{name: "www.example.net.", kind: dns.TypeANY, edns: true},
	} {
		seeds = append(seeds, a.pack(t))
	}
	return func() []byte {
		packet := append([]byte(nil), seeds[random.IntN(len(seeds))]...)
		for range 1 + random.IntN(4) {
			at := random.IntN(len(packet))
			switch random.IntN(4) {
			case 0:
				packet[at] ^= 1 << random.IntN(8)
			case 1:
				packet[at] = byte(random.IntN(256))
			case 2:
				packet = packet[:at+1]
			case 3:
				packet = append(packet[:at], append([]byte{byte(random.IntN(256))}, packet[at:]...)...)
			}
		}
		return packet
	}
}
