package routing

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// The hashes of client-hash and account-hash. Two balancers, and two versions of this program, must send a client to
// the same node, so these definitions never change; hash_test.go pins them.
//
//	mix(x)      the finalizer of splitmix64 (Stafford's variant 13)
//	text(s)     mix of FNV-1a, 64 bits, over the bytes of s
//	client(a)   mix of an IPv4 address as the low 32 bits below 0xffff, or of the upper 64 bits of an IPv6 address
//	account(s)  text of s with A-Z as a-z
//	a node's claim on a client is mix(client ^ text(name of the node)); see score for weights
//
// The service is no part of it: a client finds its mail by IMAP and JMAP on one node, whose caches are warm.

// mix spreads 64 bits over 64 bits; it is a bijection.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func hashText(s string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return mix(h)
}

// hashAccount ignores the case of ASCII letters, as mail servers do with the names that they are logged in with.
func hashAccount(s string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return mix(h)
}

// hashClient takes an IPv6 client by its /64: hosts change the lower half of their addresses every day (RFC 8981).
func hashClient(a netip.Addr) uint64 {
	if a = a.Unmap(); a.Is4() {
		v4 := a.As4()
		return mix(0xffff<<32 | uint64(binary.BigEndian.Uint32(v4[:])))
	}
	v6 := a.As16()
	return mix(binary.BigEndian.Uint64(v6[:8]))
}

// score is the claim of a node of a weight by weighted rendezvous hashing: the node with the largest -w/ln(u) of all,
// u being its claim as a number between 0 and 1, has the client with a probability that is its share of the weight.
// It grows with claim and weight, so of nodes of one weight the one with the largest claim has the largest score.
func score(weight, claim uint64) float64 { return -float64(weight) / math.Log(unit(claim)) }

// unit is a claim as a number above 0 and below 1.
func unit(claim uint64) float64 { return (float64(claim>>12) + 0.5) / (1 << 52) }

// leastClaim is below every claim that has a score above 1/under, and not far below where it matters: -ln(u) >= 1-u,
// and they are close near u = 1. An infinite under rules out nothing.
func leastClaim(weight uint64, under float64) uint64 {
	const rounding = 1 << 13 // more than unit and the arithmetic here lose
	half := (1-float64(int64(weight))*under)*(1<<63) - rounding
	return uint64(int64(max(half, 0))) << 1
}
