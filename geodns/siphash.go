package geodns

import "math/bits"

// sip is the state of SipHash-2-4 (Aumasson, Bernstein, 2012) for the two lengths of message that cookies have: with IPv4 and
// with IPv6 addresses.
type sip struct{ v0, v1, v2, v3 uint64 }

func (k sipKey) begin() sip {
	return sip{k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d, k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573}
}

func (k sipKey) sum20(a, b uint64, c uint32) uint64 {
	s := k.begin()
	s.word(a)
	s.word(b)
	s.word(20<<56 | uint64(c)) // the last word ends in the length
	return s.end()
}

func (k sipKey) sum32(a, b, c, d uint64) uint64 {
	s := k.begin()
	s.word(a)
	s.word(b)
	s.word(c)
	s.word(d)
	s.word(32 << 56)
	return s.end()
}

func (s *sip) word(m uint64) {
	s.v3 ^= m
	s.round()
	s.round()
	s.v0 ^= m
}

func (s *sip) end() uint64 {
	s.v2 ^= 0xff
	for range 4 {
		s.round()
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

func (s *sip) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}
