package config

import (
	"net/netip"
	"reflect"
	"slices"
)

// leaderFields are the fields of a Service, by key, that count only for the first of several http services on one
// passthrough address: the choice is made before HTTP is read.
var leaderFields = []struct{ key, field string }{
	{"port", "Port"}, {"balance", "Balance"}, {"check", "Check"}, {"proxy_protocol", "Proxy"}, {"timeouts", "Timeouts"},
	{"limits", "Limits"}, {"slow_start", "SlowStart"}, {"attempts", "Attempts"}, {"source", "Source"}, {"freebind", "Freebind"},
}

// warnFollowers names the keys that a service has in vain because another one leads on its address.
func (b *builder) warnFollowers() {
	for i, e := range b.entries {
		if leader := b.leader(b.entries[:i], e); leader != nil {
			b.warnFollower(leader, e)
		}
	}
}

// leader is the service that decides for another one, or nil. The first in the order of services leads.
func (b *builder) leader(earlier []*serviceEntry, e *serviceEntry) *serviceEntry {
	if !e.Live || e.Protocol != HTTP || e.TLS != Passthrough {
		return nil
	}
	for _, l := range earlier {
		if l.Live && l.TLS == Passthrough && standsFor(l.Service, e.Service) && b.meet(l, e) {
			return l
		}
	}
	return nil
}

func (b *builder) meet(a, c *serviceEntry) bool {
	return slices.ContainsFunc(b.Regions, func(r *Region) bool {
		return slices.ContainsFunc(c.ListenIn(r.Name), func(l netip.AddrPort) bool { return slices.Contains(a.ListenIn(r.Name), l) })
	})
}

func (b *builder) warnFollower(leader, e *serviceEntry) {
	own, first := reflect.ValueOf(*e.Service), reflect.ValueOf(*leader.Service)
	for _, f := range leaderFields {
		at, given := e.own[f.key]
		if given && !sameValue(own.FieldByName(f.field).Interface(), first.FieldByName(f.field).Interface()) {
			b.warnf(at, "service %q: %s has no effect: on the address that it shares with %q by tls: passthrough, the latter's counts", e.Name, f.key, leader.Name)
		}
	}
	for _, n := range b.Nodes {
		if port, given := n.Ports[e.Name]; given && port != n.Port(leader.Service) {
			b.warnf(b.nodeAt[n], "node %q: the port for %q has no effect: on the address that it shares with %q by tls: passthrough, the latter's counts", n.Name, e.Name, leader.Name)
			return
		}
	}
}
