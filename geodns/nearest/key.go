package nearest

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// key is an address as 128 bits. IPv4 addresses stand at the left, with zeros (or, as the end of a network, ones) behind
// them, so that one table and one way of counting bits serve both families.
type key struct{ hi, lo uint64 }

func keyOf(a netip.Addr) key {
	if a.Is4() {
		ip := a.As4()
		return key{hi: uint64(binary.BigEndian.Uint32(ip[:])) << 32}
	}
	ip := a.As16()
	return key{binary.BigEndian.Uint64(ip[:8]), binary.BigEndian.Uint64(ip[8:])}
}

// span is the first and the last key of a network.
func span(p netip.Prefix) (first, last key) {
	first = keyOf(p.Masked().Addr())
	return first, first.with(suffix(p.Bits()))
}

// suffix is ones behind a number of leading zeros.
func suffix(n int) key {
	if n < 64 {
		return key{^uint64(0) >> n, ^uint64(0)}
	}
	return key{0, ^uint64(0) >> (n - 64)}
}

func (k key) with(o key) key { return key{k.hi | o.hi, k.lo | o.lo} }

func (k key) less(o key) bool { return k.hi < o.hi || k.hi == o.hi && k.lo < o.lo }

// next is the key behind k, and false behind the last.
func (k key) next() (key, bool) {
	lo, carry := bits.Add64(k.lo, 1, 0)
	hi, carry := bits.Add64(k.hi, 0, carry)
	return key{hi, lo}, carry == 0
}

// before is the key before k, which is not the first.
func (k key) before() key {
	lo, borrow := bits.Sub64(k.lo, 1, 0)
	return key{k.hi - borrow, lo}
}

// network is the length of the largest network that begins at k and does not go beyond last.
func (k key) network(last key) int {
	free := bits.TrailingZeros64(k.lo) // how many bits could be the network's own
	if k.lo == 0 {
		free = 64 + bits.TrailingZeros64(k.hi)
	}
	length := 128 - free
	for last.less(k.with(suffix(length))) {
		length++
	}
	return length
}
