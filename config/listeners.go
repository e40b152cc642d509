package config

import (
	"net/netip"
	"slices"
)

// Listener is an address that a balancer opens.
type Listener struct {
	Address  netip.AddrPort // the zero Addr is every address, IPv6 and IPv4
	Services []*Service     // more than one: told apart by the server name that a client asks for
}

// Listeners is what this balancer opens, in the order of Services: the live services that this build can serve, where
// they listen in its region. Of http services that share an address by passthrough the first stands for all.
func (t *Topology) Listeners() []Listener {
	var all []Listener
	for _, s := range t.Services {
		if !s.Live || notOpened(s) {
			continue
		}
		for _, address := range s.ListenIn(t.Region) {
			i := slices.IndexFunc(all, func(l Listener) bool { return l.Address == address })
			if i < 0 {
				all = append(all, Listener{address, []*Service{s}})
			} else if !slices.ContainsFunc(all[i].Services, func(first *Service) bool { return standsFor(first, s) }) {
				all[i].Services = append(all[i].Services, s)
			}
		}
	}
	return all
}

// standsFor says whether clients of a cannot be told from those of b before HTTP is read.
func standsFor(a, b *Service) bool {
	return a.Protocol == HTTP && b.Protocol == HTTP && slices.Equal(a.ServerNames, b.ServerNames)
}
