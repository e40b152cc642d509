// Package geodns is an authoritative name server that answers a name with the addresses of the nearest region that can
// serve it.
//
// Zones are made from the topology: hosts, which are answered by region, and static records. Places says where a
// client is, View what the regions can do for it at the moment. The three together are a Data, and Data.Answer makes
// the answer to a query out of it: it is pure and complete, and everything that is faster is made from it ahead of time.
package geodns

import (
	"net/netip"

	"posthouse/config"
)

// Data is everything that answers are made of, as of one moment. It is immutable: a change makes another one.
type Data struct {
	Zones    *Zones
	Places   Places // nil: all clients are in one place, and the regions in the order of the file
	View     *View  // nil: every region can serve what its nodes run
	Identity string // what NSID tells who asks for it (RFC 5001); "" tells nothing
}

// Places knows where an address is. It is asked for every query and neither blocks nor allocates.
type Places interface {
	// Lookup returns the index of the order in which the regions are near an address, and the length of the largest
	// network around the address in which every address has that order. IPv4 addresses come as such.
	Lookup(netip.Addr) (order uint16, bits uint8)

	// Order is every region once, as an index into Topology.Regions, nearest first.
	Order(uint16) []uint8

	// Orders is how many there are.
	Orders() int
}

// Place is where a client is: the order of regions there, and the scope of an answer that was chosen by it (RFC 7871).
type Place struct {
	Order uint16
	Bits  uint8
}

// order is the regions as they are near a place.
func (d *Data) order(p Place) []uint8 {
	if d.Places == nil {
		return d.Zones.fileOrder
	}
	return d.Places.Order(p.Order)
}

// everyRegion is the order of the file.
func everyRegion(t *config.Topology) []uint8 {
	order := make([]uint8, len(t.Regions))
	for i := range order {
		order[i] = uint8(i)
	}
	return order
}
