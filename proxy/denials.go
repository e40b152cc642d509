package proxy

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// Denial keeps the clients of a network out until a time.
type Denial struct {
	Prefix netip.Prefix
	Until  time.Time // zero: for good
}

// denials are what Deny set last. The zero value denies nobody.
type denials struct {
	set atomic.Pointer[denialSet]
}

// denialSet is immutable. Whatever its size, a client costs one look-up for each prefix length that occurs.
type denialSet struct {
	prefixes
	until map[netip.Prefix]time.Time
}

// Deny replaces the networks whose clients get no new session, of whatever service. It is in effect when it returns, also for clients that
// have not got a node yet; Kill ends the sessions that are there.
func (s *Server) Deny(all []Denial) {
	if len(all) == 0 {
		s.denied.set.Store(nil)
		return
	}
	networks, until := make([]netip.Prefix, len(all)), make(map[netip.Prefix]time.Time, len(all))
	for i, d := range all {
		networks[i] = d.Prefix.Masked()
		until[networks[i]] = d.Until
	}
	s.denied.set.Store(&denialSet{newPrefixes(networks), until})
}

// any says whether anybody is kept out, now or later.
func (d *denials) any() bool { return d.set.Load() != nil }

// has says whether a client is kept out now.
func (d *denials) has(a netip.Addr, now time.Time) bool {
	set := d.set.Load()
	if set == nil {
		return false
	}
	return slices.ContainsFunc(set.lengths(a), func(bits int) bool {
		network, _ := a.Prefix(bits)
		until, ok := set.until[network]
		return ok && (until.IsZero() || now.Before(until))
	})
}

// Denies says whether an operator keeps a client out now.
func (s *Server) Denies(client netip.Addr) bool { return s.denied.has(client, time.Now()) }
