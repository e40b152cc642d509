package geodns

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/miekg/dns"
)

// wellFormed says whether a client subnet may stand in a query (RFC 7871, 6 and 7.1.2): a family that there is, no
// scope, and no bit set behind the source length.
func wellFormed(s *dns.EDNS0_SUBNET) bool {
	if s.SourceScope != 0 {
		return false
	}
	if s.Family == 0 { // some clients send it with a source length of 0
		return s.SourceNetmask == 0
	}
	a, ok := netip.AddrFromSlice(s.Address)
	if !ok {
		return false
	}
	if s.Family == 1 {
		a = a.Unmap()
	}
	p, err := a.Prefix(int(s.SourceNetmask))
	return err == nil && p.Addr() == a
}

// placeOf is where a client is: its subnet if the resolver sent one, else the resolver. With a source length of 0 the
// client asks not to be looked up (RFC 7871, 7.1.2).
func (d *Data) placeOf(subnet *dns.EDNS0_SUBNET, from netip.Addr) Place {
	if subnet == nil || subnet.SourceNetmask == 0 {
		return d.Place(netip.PrefixFrom(from, from.BitLen()))
	}
	a, _ := netip.AddrFromSlice(subnet.Address)
	if subnet.Family == 1 {
		a = a.Unmap()
	}
	return d.Place(netip.PrefixFrom(a, int(subnet.SourceNetmask)))
}

// Place is where a network is. Its address has no bits set behind its length.
func (d *Data) Place(client netip.Prefix) Place {
	if d.Places == nil || d.Places.Orders() == 1 {
		return Place{}
	}
	a := client.Addr()
	if a.Is4() {
		order, scope := d.Places.Lookup(a)
		return Place{order, scope}
	}
	return d.place6(a, client.Bits())
}

// wrapping is a kind of IPv6 address with an IPv4 address inside.
type wrapping struct {
	high, low uint64 // the prefix
	length    int    // of the prefix
	inside    int    // where the IPv4 address begins
	inverted  bool
}

var wrappings = [...]wrapping{
	{0x2002_0000_0000_0000, 0, 16, 16, false}, // 6to4 (RFC 3056)
	{0x2001_0000_0000_0000, 0, 32, 96, true},  // Teredo (RFC 4380, 4)
	{0x0064_ff9b_0000_0000, 0, 96, 96, false}, // NAT64 (RFC 6052)
	{0, 0xffff_0000_0000, 96, 96, false},      // mapped (RFC 4291, 2.5.5.2)
}

// place6 looks up an IPv6 network: by the IPv4 address inside where it is a whole one. A scope never covers addresses
// that are looked up in another way than the one that was asked for.
func (d *Data) place6(a netip.Addr, length int) Place {
	high, low := halves(a)
	least := 0
	for _, w := range wrappings {
		common := w.common(high, low)
		switch {
		case common < w.length:
			least = max(least, common+1)
		case length >= w.inside+32:
			order, scope := d.Places.Lookup(w.unwrap(high, low))
			return Place{order, scope + uint8(w.inside)}
		default:
			least = w.inside + 32
		}
	}
	order, scope := d.Places.Lookup(a)
	return Place{order, max(scope, uint8(least))}
}

func halves(a netip.Addr) (high, low uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// common is how many bits an address shares with the prefix, or more than it is long.
func (w wrapping) common(high, low uint64) int { return commonBits(high^w.high, low^w.low) }

func (w wrapping) holds(high, low uint64) bool { return w.common(high, low) >= w.length }

// commonBits is how many bits two addresses share at the front, of which the differences are given.
func commonBits(high, low uint64) int {
	if high != 0 {
		return bits.LeadingZeros64(high)
	}
	return 64 + bits.LeadingZeros64(low)
}

func (w wrapping) unwrap(high, low uint64) netip.Addr {
	v4 := uint32(low)
	if w.inside == 16 {
		v4 = uint32(high >> 16)
	}
	if w.inverted {
		v4 = ^v4
	}
	return netip.AddrFrom4([4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)})
}
