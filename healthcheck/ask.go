package healthcheck

import (
	"slices"
	"strings"

	"posthouse/config"
)

// ask is the request that an http probe makes. The zero value is none.
type ask struct{ method, path string }

func (a ask) String() string { return a.method + " " + a.path }

const (
	jmapPath = "/.well-known/jmap"

	// davPath is below "/dav": Stalwart answers OPTIONS only where it names a kind of resource.
	davPath = "/dav/cal"
)

// askOf is what a service's probes ask of the nodes: the path that the operator names, or what the service implies. Both
// implied requests cost a Stalwart node nothing of the 100 that it grants an anonymous address in a minute.
func askOf(s *config.Service) ask {
	switch {
	case s.Protocol != config.HTTP:
		return ask{}
	case s.Check.Path != "":
		return ask{"GET", s.Check.Path}
	case s.Name == "jmap" || serves(s, "/jmap", jmapPath): // RFC 8620, 2.2
		return ask{"GET", jmapPath}
	case s.Name == "webdav" || serves(s, "/dav", "/.well-known/caldav", "/.well-known/carddav"):
		return ask{"OPTIONS", davPathOf(s)} // RFC 4918, 10.1
	}
	return ask{}
}

func serves(s *config.Service, paths ...string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return slices.Contains(s.Paths, p) })
}

// davPathOf is the first path of a service that is no pointer to another one.
func davPathOf(s *config.Service) string {
	for _, p := range s.Paths {
		if p != "/dav" && !strings.HasPrefix(p, "/.well-known/") {
			return p
		}
	}
	return davPath
}

// borrow is the request of a service that implies none: that of another http service of the same node if it is the same
// in all else, so that the two share a probe, or the root.
func borrow(t *config.Topology, n *config.Node, services []*config.Service, k spec) ask {
	for _, s := range services {
		if s.Protocol != config.HTTP || !n.Runs(s.Name) {
			continue
		}
		other := specOf(t, n, leader(t, services, s))
		if k.ask = other.ask; k.ask.method == "GET" && k == other {
			return k.ask
		}
	}
	return ask{"GET", "/"}
}
