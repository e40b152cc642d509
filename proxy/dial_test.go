package proxy

import (
	"math"
	"net/netip"
	"slices"
	"testing"

	"posthouse/config"
)

// Sources of an address's family take turns, however many there were.
func TestSourcesTakeTurns(t *testing.T) {
	s := &config.Service{Source: []netip.Addr{
		netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"),
	}}
	d := newDialer()
	for _, turns := range []uint32{0, math.MaxInt32 - 3, math.MaxInt32, math.MaxUint32 - 7} {
		d.turn.Store(turns)
		var got []string
		for range 3 {
			got = append(got, d.source(s, netip.MustParseAddrPort("192.0.2.1:25")).String())
		}
		if slices.Sort(got); !slices.Equal(got, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}) {
			t.Errorf("after %d turns: %v", turns, got)
		}
	}
}
