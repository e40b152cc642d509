package geodns

import "net/netip"

// View is what the regions can do for clients as of one moment. It is immutable. Its zero value, and nil, say that
// every region can serve what its nodes run, at all of its addresses.
type View struct {
	States    [][]State      // by Host.Index, then by index of the region
	Addresses [][]netip.Addr // the good addresses by index of the region; a region without any has all of its own
}

// State is what a region can do for a host.
type State struct {
	Down     bool // it cannot serve the host now
	Changing bool // that is about to change, so an answer that depends on it should not be kept for long
}

func (v *View) state(h *Host, region uint8) State {
	if v == nil || v.States == nil {
		return State{Down: !h.runs[region]}
	}
	return v.States[h.Index][region]
}

// good is the addresses of a region that are answered: those that work, or all of them if none is known to.
func (v *View) good(region uint8, all []netip.Addr) []netip.Addr {
	if v == nil || v.Addresses == nil || len(v.Addresses[region]) == 0 {
		return all
	}
	return v.Addresses[region]
}
