package geodns

import (
	"net/netip"
	"slices"

	"posthouse/config"
)

// Host is a name that is answered by region, with what a region must be able to serve.
type Host struct {
	Name     string // fully qualified, in lower case
	Index    int    // among Zones.Hosts
	Services []string
	Any      bool   // one of Services is enough
	Fallback string // its second name, which leads to the next region; "": it has none

	zone   *Zone
	ttl    uint32
	runs   []bool // by region: its nodes run what the host stands for
	v4, v6 bool   // the families that its answers have; the same for every client
}

// run is a service that nodes of a region run.
type run struct{ region, service string }

// allRuns is what is run where, whatever the health of nodes.
func allRuns(t *config.Topology) map[run]bool {
	runs := make(map[run]bool)
	for _, n := range t.Nodes {
		if n.State == config.Disabled {
			continue
		}
		for _, service := range n.Services {
			runs[run{n.Region, service}] = true
		}
	}
	return runs
}

// newHost finds out which regions have nodes for a host, and so the families of its answers.
func (z *Zones) newHost(name string, h config.Host, ttl uint32) *Host {
	regions := z.topology.Regions
	host := &Host{Name: name, Services: h.Services, Any: h.Any, ttl: ttl, runs: make([]bool, len(regions))}
	for i, r := range regions {
		runs := func(service string) bool { return z.runs[run{r.Name, service}] }
		lacks := func(service string) bool { return !runs(service) }
		if h.Any {
			host.runs[i] = slices.ContainsFunc(h.Services, runs)
		} else {
			host.runs[i] = !slices.ContainsFunc(h.Services, lacks)
		}
	}
	host.findFamilies(regions)
	return host
}

// findFamilies takes the families of the regions that run the host; all of them have the same, or the topology would
// not load. Where no region runs it the name is answered nevertheless, with what the regions have.
func (h *Host) findFamilies(regions []*config.Region) {
	running := slices.Contains(h.runs, true)
	for i, r := range regions {
		if !running || h.runs[i] {
			h.v4 = h.v4 || slices.ContainsFunc(r.Addresses, netip.Addr.Is4)
			h.v6 = h.v6 || slices.ContainsFunc(r.Addresses, netip.Addr.Is6)
		}
	}
	if running && !h.v4 && !h.v6 { // those that run it have no addresses
		none := &Host{runs: make([]bool, len(regions))}
		none.findFamilies(regions)
		h.v4, h.v6 = none.v4, none.v6
	}
}

// family is the addresses of one family, IPv4 or IPv6.
func family(addresses []netip.Addr, v6 bool) []netip.Addr {
	var all []netip.Addr
	for _, a := range addresses {
		if a.Is6() == v6 {
			all = append(all, a)
		}
	}
	return all
}
