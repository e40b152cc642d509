package proxy

import (
	"strings"
	"sync/atomic"

	"posthouse/config"
)

// front is how a listener treats its clients. It is immutable; a reload replaces it, and sessions that have begun keep
// theirs.
type front struct {
	services    []*service // more than one: the server name tells
	tls         bool       // clients begin with a TLS hello
	endsTLS     bool       // and it ends here
	redirect    bool       // plain HTTP that only leads to https
	securePort  uint16     // where that is
	trusted     prefixes   // peers that must send a PROXY header
	allow, deny prefixes

	next atomic.Pointer[front] // what a reload put in its place; nil: nothing
}

// service is a service with what its sessions share.
type service struct {
	*config.Service
	topology *config.Topology // whose service it is
	limiter  *limiter
	metrics  *serviceMetrics
	routes   *routes  // of all services that share its address and names; nil: HTTP is not read here
	terms    *terms   // nil: clients' TLS does not end here
	node     *nodeTLS // nil: nodes are not spoken to by TLS of ours
}

// newFront takes the keys in which services that share an address agree from the first one.
func newFront(services []*service) *front {
	first := services[0]
	addRoutes(services)
	return &front{
		services: services,
		tls:      first.ImplicitTLS(),
		endsTLS:  first.TLS == config.Terminate || first.TLS == config.Reencrypt,
		trusted:  newPrefixes(first.AcceptProxy),
		allow:    newPrefixes(first.Allow),
		deny:     newPrefixes(first.Deny),
	}
}

// sole is the service of a listener that has one for every client; nil: the server name decides.
func (f *front) sole() *service {
	if len(f.services) == 1 && len(f.services[0].ServerNames) == 0 {
		return f.services[0]
	}
	return nil
}

// named is the service for a server name: the one that lists it, else one that lists it as "*.", else one that lists
// nothing; nil if there is none of these.
func (f *front) named(serverName string) *service {
	serverName = strings.ToLower(serverName)
	var wild, any *service
	for _, s := range f.services {
		exact, wildcard := serves(s.ServerNames, serverName)
		switch {
		case exact:
			return s
		case wildcard && wild == nil:
			wild = s
		case len(s.ServerNames) == 0 && any == nil:
			any = s
		}
	}
	if wild != nil {
		return wild
	}
	return any
}
