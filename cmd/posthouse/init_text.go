package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// sketch is a topology on its way to paper.
type sketch struct {
	cluster string
	regions []sketchRegion
	roles   []sketchRole // none: every node runs everything
	nodes   []sketchNodes
}

// sketchRegion has no name where there is one region only.
type sketchRegion struct{ name, keys string }

type sketchRole struct {
	name     string
	services []string
	share    float64
}

// sketchNodes is an entry of nodes.
type sketchNodes struct {
	region, name string
	count        int
	address      netip.Addr
	roles        []string
}

// place gives a region its nodes. Each region has a million addresses and each pool begins at a round one.
func (s *sketch) place(region, nodes int) {
	name := s.regions[region].name
	prefix := ""
	if name != "" {
		prefix = name + "-"
	}
	groups := crowd(s.roles, nodes)
	if len(groups) == 0 {
		s.add(sketchNodes{region: name, name: prefix + "node", count: nodes}, region, 0)
		return
	}
	shares := make([]float64, len(groups))
	for i := range groups {
		shares[i] = share(groups[i])
	}
	offset := 0
	for i, n := range divide(nodes, shares) {
		var roles []string
		for _, r := range groups[i] {
			roles = append(roles, r.name)
		}
		s.add(sketchNodes{region: name, name: prefix + strings.Join(roles, "-"), count: n, roles: roles}, region, offset)
		offset += (n/1024 + 1) * 1024
	}
}

func (s *sketch) add(n sketchNodes, region, offset int) {
	at := 10<<24 + (region+1)*16<<16 + offset + 1
	n.address = netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)})
	s.nodes = append(s.nodes, n)
}

func (s *sketch) text(about string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n# Every key: docs/topology.md. After each change: posthouse check FILE, and posthouse plan OLD NEW.\ncluster: %s\n", about, s.cluster)
	if len(s.regions) > 1 {
		s.writeRegions(&b)
	}
	if len(s.roles) > 0 {
		b.WriteString("\nroles:\n")
	}
	for _, r := range s.roles {
		fmt.Fprintf(&b, "  %s: [%s]\n", r.name, strings.Join(r.services, ", "))
	}
	b.WriteString("\nnodes: # the addresses are made up: \"+\" counts up from the first one\n")
	for _, n := range s.nodes {
		b.WriteString("  - " + n.text() + "\n")
	}
	b.WriteString("\ndefaults:\n  proxy_protocol: v2 # nodes see clients' addresses; they must expect the header from this balancer (proxyTrustedNetworks), else say none\n")
	if s.dividesHTTP() {
		b.WriteString(dividedHTTP)
	}
	return b.String()
}

const dividedHTTP = `
# JMAP and WebDAV share port 443 and live on different nodes. Only the path of a request tells them apart, so TLS ends at
# the balancer and a new session goes to the node. The certificates are what clients see.
services:
  jmap: {tls: reencrypt}
  webdav: {tls: reencrypt}
  http: {tls: reencrypt}

tls:
  certificates:
    - {cert: mail.crt, key: mail.key}
`

func (s *sketch) writeRegions(b *strings.Builder) {
	fmt.Fprintf(b, "region: %s # each balancer says its own: posthouse serve --region %s\n\nregions:\n", s.regions[0].name, s.regions[1].name)
	for _, r := range s.regions {
		fmt.Fprintf(b, "  %s:\n    %s\n", r.name, r.keys)
	}
}

// dividesHTTP says whether some nodes run one http service and not another.
func (s *sketch) dividesHTTP() bool {
	var all []bool
	for _, n := range s.nodes {
		for _, http := range []string{"jmap", "webdav", "http"} {
			all = append(all, s.runsOn(n, http))
		}
		if last := all[len(all)-3:]; slices.Contains(last, true) && slices.Contains(last, false) {
			return true
		}
	}
	return false
}

func (s *sketch) runsOn(n sketchNodes, service string) bool {
	return len(s.roles) == 0 || slices.ContainsFunc(s.roles, func(r sketchRole) bool {
		return slices.Contains(n.roles, r.name) && slices.Contains(r.services, service)
	})
}

// text is an entry, with a range if it stands for several nodes.
func (n sketchNodes) text() string {
	name, address := n.name+"-1", n.address.String()
	if n.count > 1 {
		name, address = fmt.Sprintf(`"%s-[%0*d-%d]"`, n.name, len(fmt.Sprint(n.count)), 1, n.count), address+"+"
	}
	text := fmt.Sprintf("{name: %s, address: %s", name, address)
	if n.region != "" {
		text += ", region: " + n.region
	}
	switch len(n.roles) {
	case 0:
	case 1:
		text += ", role: " + n.roles[0]
	default:
		text += fmt.Sprintf(", roles: [%s]", strings.Join(n.roles, ", "))
	}
	return text + "}"
}
