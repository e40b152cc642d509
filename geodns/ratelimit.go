package geodns

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// verdict is what becomes of an answer that a client network has had often enough.
type verdict uint8

const (
	send verdict = iota
	slip         // say so in a short answer: whoever is real asks again by TCP, or with a cookie
	drop
)

// slipEvery is every second answer over the limit: a real client that shares its network with a victim's forged questions is
// answered after few tries, and nothing is amplified, because a short answer is no larger than its question.
const slipEvery = 2

// cells is how many counters there are: 512 KiB. Networks that share one share its limit; fewer, and a flood against many networks
// would hit others.
const cells = 1 << 16

// rateLimit counts equal answers to each client network in steps of a second. A cell holds the second and the count. There are
// no names in it: who chooses its questions cannot push others out. Any goroutine may use it.
type rateLimit struct {
	seed  [2]uint64
	cells [cells]atomic.Uint64
}

func newRateLimit() *rateLimit {
	return &rateLimit{seed: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}}
}

// count counts one answer of a kind to a client. limit is answers a second, 0 = none.
func (r *rateLimit) count(client netip.Addr, answer uint64, second uint32, limit uint32) verdict {
	if limit == 0 {
		return send
	}
	cell := &r.cells[r.hash(clientNetwork(client), answer)]
	n := uint32(1)
	if old := cell.Load(); uint32(old>>32) == second {
		n = uint32(cell.Add(1))
	} else if !cell.CompareAndSwap(old, uint64(second)<<32|1) {
		n = uint32(cell.Add(1)) // another worker has begun the second
	}
	switch {
	case n <= limit:
		return send
	case n%slipEvery == 0:
		return slip
	}
	return drop
}

// hash is where two words are counted; nobody who does not know the seed can choose it.
func (r *rateLimit) hash(a, b uint64) uint64 {
	high, low := bits.Mul64(a^r.seed[0], b^r.seed[1])
	high, low = bits.Mul64(high^low^r.seed[1], 0x9e3779b97f4a7c15)
	return (high ^ low) % cells
}

// clientNetwork is what counts as one client: an IPv4 /24, an IPv6 /56.
func clientNetwork(a netip.Addr) uint64 {
	if a.Is4() {
		ip := a.As4()
		return uint64(binary.BigEndian.Uint32(ip[:]) >> 8)
	}
	ip := a.As16()
	return binary.BigEndian.Uint64(ip[:])>>8 | 1<<63
}
