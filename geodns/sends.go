package geodns

import "strings"

// Sent is where the clients of a region are sent for a name: those to which the region is nearest.
type Sent struct {
	From string // the region
	Name string // of a host, without the final dot
	To   string
}

// Sends tells it for every host and every region that some client is nearest to, by the code that answers.
func (d *Data) Sends() []Sent {
	regions := d.Zones.topology.Regions
	var all []Sent
	for _, p := range d.homes() {
		for _, h := range d.Zones.Hosts {
			choice, ok := d.choose(h, p, !h.v4, false)
			if !ok {
				continue
			}
			all = append(all, Sent{regions[d.order(p)[0]].Name, strings.TrimSuffix(h.Name, "."), regions[choice.Region].Name})
		}
	}
	return all
}

// homes is a place for each region that is the nearest somewhere. Which regions come after it may differ between the places
// of one region; the first one found stands for them.
func (d *Data) homes() []Place {
	if d.Places == nil {
		return []Place{{}}
	}
	seen := make(map[uint8]bool)
	var homes []Place
	for i := range d.Places.Orders() {
		p := Place{Order: uint16(i)}
		if first := d.order(p)[0]; !seen[first] {
			seen[first] = true
			homes = append(homes, p)
		}
	}
	return homes
}
