package healthcheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"posthouse/config"
)

// spec is one way of probing one node at one port. Equal specs are one probe, whoever asks for it; a spec that a
// reload did not change keeps its schedule.
type spec struct {
	node  string
	host  string        // to be resolved; "" where addrs are given
	addrs [2]netip.Addr // one, or an IPv4 and an IPv6 one
	port  uint16
	front bool // not a mail server but a balancer

	protocol config.Protocol
	level    config.Level // tcp, tls or protocol
	tls      bool         // the node expects a handshake on this port
	proxy    config.ProxyVersion
	name     string // what we call ourselves: the cluster; to http the host that we ask
	sni      string
	verify   bool   // the node's certificate, against ca and sni
	ca       string // file; "" = the system's
	ask      ask    // http
	strict   bool   // http: sessions read the answers
	inside   bool   // sessions wait for a greeting inside TLS
	sources  string // our addresses towards it, as text, so that specs compare
	interval time.Duration
	timeout  time.Duration
}

// planned is a spec with the targets that its result is for.
type planned struct {
	spec    spec
	sources []netip.Addr
	targets []wanted
}

type wanted struct {
	id         config.Target
	rise, fall int
}

// plan lists the probes that a topology asks of this balancer: every node that it may open connections to, for every
// live service that clients reach here, and public addresses for what clients reach there. Drained nodes are probed,
// so that their return is no surprise; disabled ones are not.
func plan(t *config.Topology) []*planned {
	var all []*planned
	known := make(map[spec]*planned)
	services := fronted(t)
	for _, n := range t.Probed() {
		if n.State == config.Disabled || regionState(t, n.Region) == config.Disabled {
			continue
		}
		asked := services
		if n.Public {
			asked = running(t, n)
		}
		for _, s := range asked {
			if !n.Runs(s.Name) {
				continue
			}
			lead := leader(t, asked, s)
			key := specOf(t, n, lead)
			if key.protocol == config.HTTP && key.level == config.LevelProtocol && key.ask == (ask{}) {
				key.ask = borrow(t, n, asked, key)
			}
			p := known[key]
			if p == nil {
				p = &planned{spec: key, sources: lead.Source}
				if n.Public {
					p.sources = nil
				}
				known[key] = p
				all = append(all, p)
			}
			p.targets = append(p.targets, wanted{config.Target{Node: n.Name, Service: s.Name}, lead.Check.Rise, lead.Check.Fall})
		}
	}
	return all
}

// fronted lists the live services that have a listener in this balancer's region; nobody asks for the others here.
func fronted(t *config.Topology) []*config.Service {
	var all []*config.Service
	for _, s := range t.Services {
		if s.Live && len(s.ListenIn(t.Region)) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// running lists the live services of a node.
func running(t *config.Topology, n *config.Node) []*config.Service {
	return slices.DeleteFunc(slices.Clone(t.Services), func(s *config.Service) bool { return !s.Live || !n.Runs(s.Name) })
}

// leader is the service whose port, check and PROXY header count: the first one of passthrough http services that
// share an address, and any other service itself.
func leader(t *config.Topology, services []*config.Service, s *config.Service) *config.Service {
	if s.Protocol != config.HTTP || s.TLS != config.Passthrough {
		return s
	}
	for _, first := range services {
		if first.Protocol == config.HTTP && first.TLS == config.Passthrough && sharesAddress(t, first, s) &&
			slices.Equal(first.ServerNames, s.ServerNames) {
			return first
		}
	}
	return s
}

func sharesAddress(t *config.Topology, a, b *config.Service) bool {
	return slices.ContainsFunc(a.ListenIn(t.Region), func(listen netip.AddrPort) bool {
		return slices.Contains(b.ListenIn(t.Region), listen)
	})
}

func regionState(t *config.Topology, name string) config.AdminState {
	if r := t.RegionNamed(name); r != nil {
		return r.State
	}
	return config.Active
}

func specOf(t *config.Topology, n *config.Node, s *config.Service) spec {
	k := spec{
		node: n.Name, host: n.Host, port: n.Port(s), front: n.Balancer || n.Public,
		protocol: s.Protocol, tls: s.TLS == config.Passthrough || s.TLS == config.Reencrypt, proxy: s.Proxy,
		name: t.Cluster, sni: serverName(t, s), sources: fmt.Sprint(s.Source),
		interval: s.Check.Interval, timeout: s.Check.Timeout,
	}
	copy(k.addrs[:], n.Addresses)
	if n.Region != t.Region || n.Public {
		k.interval = s.Check.RemoteInterval
	}
	if n.Balancer { // it accepts as clients see the service, and believes us by PROXY v2
		k.tls, k.proxy = s.ImplicitTLS(), config.ProxyV2
	}
	if n.Public { // a client has no header, and comes from anywhere
		k.tls, k.proxy, k.sources = s.ImplicitTLS(), config.ProxyNone, ""
	}
	if s.TLS == config.Reencrypt && !n.Public { // our TLS, whoever is there
		k.sni, k.verify, k.ca = t.TLS.NodeName, t.TLS.NodeVerify, t.TLS.NodeCA
		k.inside = s.Protocol.ServerFirst()
	}
	if s.Protocol == config.TCP && s.TLS == config.TLSNone && s.Check.Level == config.LevelTLS {
		k.tls = true // sessions are relayed unseen: that the node begins with TLS, only the level says
	}
	if k.level = levelOf(s, k.tls); k.level == config.LevelProtocol && s.Protocol == config.HTTP {
		k.name, k.ask, k.strict = serverName(t, s), askOf(s), s.TLS != config.Passthrough
	}
	return k
}

// levelOf is the level that a service's probes reach: no handshake where no TLS is, no words where we have none.
func levelOf(s *config.Service, implicitTLS bool) config.Level {
	switch level := s.Check.Level; {
	case level == config.LevelTCP, s.Protocol == config.TCP && level != config.LevelTLS:
		return config.LevelTCP
	case level == config.LevelTLS:
		if implicitTLS {
			return config.LevelTLS
		}
		return config.LevelTCP
	}
	return config.LevelProtocol
}

// serverName is the name that most clients ask for.
func serverName(t *config.Topology, s *config.Service) string {
	for _, name := range s.ServerNames {
		if !strings.HasPrefix(name, "*.") {
			return name
		}
	}
	return t.Cluster
}
