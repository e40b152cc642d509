package config

import (
	"slices"
	"strings"
)

// warn says what is allowed and probably not meant.
func (b *builder) warn() {
	b.warnDead()
	b.warnIdleNodes()
	b.warnHTTP()
	b.warnPlain()
	b.warnProxy()
	b.warnGeoIP()
	b.warnReach()
	b.warnFollowers()
}

// warnDead names services that the file mentions and no node runs.
func (b *builder) warnDead() {
	for _, e := range b.entries {
		if e.Live {
			continue
		}
		for _, n := range b.Nodes {
			if n.Runs(e.Name) { // and it is disabled, or the service would live
				b.warnf(b.nodeAt[n], "service %q is live in no region: every node that runs it is disabled", e.Name)
				break
			}
		}
		if e.at != (position{}) && !b.run(e.Name) {
			b.warnf(e.at, "service %q is live in no region: no node runs it", e.Name)
		}
	}
}

// run says whether any node runs the service, disabled or not.
func (b *builder) run(service string) bool {
	return slices.ContainsFunc(b.Nodes, func(n *Node) bool { return n.Runs(service) })
}

func (b *builder) warnIdleNodes() {
	said := make(map[position]bool)
	for _, n := range b.Nodes {
		if at := b.nodeAt[n]; len(n.Services) == 0 && !said[at] {
			said[at] = true
			b.warnf(at, "node %q runs no service", n.Name)
		}
	}
}

// warnHTTP is about clients that find JMAP and then cannot log in.
func (b *builder) warnHTTP() {
	if b.entry("http").Live || !b.entry("jmap").Live {
		return
	}
	for _, n := range b.Nodes {
		if n.Runs("jmap") {
			b.warnf(b.nodeAt[n], `nobody runs "http" while "jmap" is run: sign-in, autoconfiguration and the certificates' challenges have no node`)
			return
		}
	}
}

// notOutOfTheBox are the built-in services for which a Stalwart node has no listener unless its operator made one.
// The other half is what it has in their place.
var notOutOfTheBox = map[string]string{"submission": ", only submissions on 465", "imap": ", only imaps on 993", "pop3": ", only pop3s on 995", "lmtp": ""}

// warnPlain is about nodes as they come: naming the port says that theirs differ.
func (b *builder) warnPlain() {
	for _, e := range b.entries {
		instead, unusual := notOutOfTheBox[e.Name]
		if !unusual || !e.Live || e.given("port") {
			continue
		}
		for _, n := range b.Nodes {
			if _, given := n.Ports[e.Name]; !given && n.Runs(e.Name) {
				b.warnf(b.nodeAt[n], "node %q runs %s, but a Stalwart node has no listener on port %d out of the box%s: "+
					"where yours have one, say so with services: {%s: {port: %d}}",
					n.Name, e.Name, e.Port, instead, e.Name, e.Port)
				break
			}
		}
	}
}

func (b *builder) warnProxy() {
	var unset []string
	for _, e := range b.entries {
		if e.Live && !e.ProxySet {
			unset = append(unset, e.Name)
		}
	}
	if len(unset) > 0 {
		b.warnf(b.top, "proxy_protocol is not set for %s: nodes see this balancer's address in place of the client's; say v2 where they trust it, else none",
			strings.Join(unset, ", "))
	}
}

func (b *builder) warnGeoIP() {
	if len(b.Regions) < 2 || b.DNS != nil && len(b.DNS.GeoIP) > 0 {
		return
	}
	b.warnf(b.place("regions"), "several regions without dns.geoip: nothing here can tell which of them is near a client")
}

// warnReach is about the far side of reach: balancers, which has to expect our PROXY header.
func (b *builder) warnReach() {
	for _, r := range b.Regions {
		if r.Reach != ReachBalancers {
			continue
		}
		var deaf []string
		for _, e := range b.entries {
			if e.Live && len(e.ListenIn(r.Name)) > 0 && b.served[servedKey{e.Name, r.Name}] && len(e.AcceptProxy) == 0 {
				deaf = append(deaf, e.Name)
			}
		}
		if len(deaf) > 0 {
			b.warnf(b.regionNodes[r.Name].position, "region %q has reach: balancers, which sends PROXY v2 to its balancers, but accept_proxy is empty for %s", r.Name, strings.Join(deaf, ", "))
		}
	}
}
