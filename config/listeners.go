package config

import (
	"net/netip"
	"slices"
)

// Listener is an address that a balancer opens.
type Listener struct {
	Address  netip.AddrPort // the zero Addr is every address, IPv6 and IPv4
	Services []*Service     // more than one: told apart by the server name that a client asks for, and HTTP that is read by the path
	Redirect bool           // plain HTTP that only leads to https
}

// Listeners is what this balancer opens, in the order of Services: the live services that this build can serve, where
// they listen in its region. Of http services that share an address by passthrough the first stands for all.
func (t *Topology) Listeners() []Listener {
	var all []Listener
	for _, s := range t.Services {
		if !s.Live {
			continue
		}
		for _, address := range s.ListenIn(t.Region) {
			all = join(all, Listener{address, []*Service{s}, false})
		}
		for _, address := range s.RedirectListen {
			all = join(all, Listener{address, []*Service{s}, true})
		}
	}
	return all
}

// join adds a service to the listener that has its address, or the listener itself.
func join(all []Listener, l Listener) []Listener {
	i := slices.IndexFunc(all, func(other Listener) bool { return other.Address == l.Address })
	s := l.Services[0]
	switch {
	case i < 0:
		return append(all, l)
	case l.Redirect || readableHTTP(s):
	case slices.ContainsFunc(all[i].Services, func(first *Service) bool { return standsFor(first, s) }):
		return all
	}
	all[i].Services = append(all[i].Services, s)
	return all
}

// standsFor says whether clients of a cannot be told from those of b before HTTP is read.
func standsFor(a, b *Service) bool {
	return a.Protocol == HTTP && b.Protocol == HTTP && slices.Equal(a.ServerNames, b.ServerNames)
}

// Answering is the service that the clients of s get: s itself, or the one that stands for it where they arrive; nil if
// this balancer listens for s nowhere.
func (t *Topology) Answering(s *Service) *Service {
	for _, l := range t.Listeners() {
		if l.Redirect {
			continue
		}
		for _, other := range l.Services {
			if other == s || slices.Contains(s.ListenIn(t.Region), l.Address) && other.TLS == Passthrough && standsFor(other, s) {
				return other
			}
		}
	}
	return nil
}
