package config

import (
	"crypto/tls"
	"strings"
	"time"
)

// maxPause bounds times that are only ever minutes.
const maxPause = time.Hour

var documentKeys = table[document]{
	key("cluster", hostName, func(d *document) *string { return &d.Cluster }),
	key("region", word("the name of a region"), func(d *document) **node { return &d.region }),
	key("state_dir", path("a directory"), func(d *document) *string { return &d.StateDir }),
	section("shutdown", shutdownKeys, func(d *document) *document { return d }),
	key("max_shrink", number(0, 1), func(d *document) *float64 { return &d.MaxShrink }),
	key("regions", as("a mapping from names to regions", mapping).shown(namedForm(regionKeys.form()).and("minProperties", 1).and("propertyNames", nameForm)), func(d *document) **node { return &d.regions }),
	key("roles", as("a mapping from names to services", mapping).shown(namedForm(runsForm)), func(d *document) **node { return &d.roles }),
	key("nodes", as("a list of nodes", list).shown(form{"type": "array", "minItems": 1, "items": nodeKeys.form().needs("name", "address")}), func(d *document) **node { return &d.nodes }),
	key("overrides", as("a mapping from names of nodes to keys of a node", mapping).shown(namedForm(overrideKeys.form())), func(d *document) **node { return &d.overrides }),
	key("defaults", as("a mapping of keys of a service", mapping).shown(serviceForm), func(d *document) **node { return &d.defaults }),
	key("services", as("a mapping from names to services", mapping).shown(namedForm(serviceForm)), func(d *document) **node { return &d.services }),
	section("tls", tlsKeys, func(d *document) *TLS { return &d.TLS }),
	section("locality", localityKeys, func(d *document) *document { return d }),
	key("dns", as("a mapping of keys", mapping).shown(dnsKeys.form()), func(d *document) **node { return &d.dns }),
	section("admin", adminKeys, func(d *document) *Admin { return &d.Admin }),
}

var shutdownKeys = table[document]{
	key("deadline", duration(0, 24*time.Hour), func(d *document) *time.Duration { return &d.Deadline }),
}

var localityKeys = table[document]{
	key("min_healthy", number(0, 1), func(d *document) *float64 { return &d.MinHealthy }),
}

var tlsKeys = table[TLS]{
	key("certificates", listOf(certificate), func(t *TLS) *[]Certificate { return &t.Certificates }),
	key("min_version", tlsVersion, func(t *TLS) *uint16 { return &t.MinVersion }),
	key("node_ca", existing("a file"), func(t *TLS) *string { return &t.NodeCA }),
	key("node_name", hostName, func(t *TLS) *string { return &t.NodeName }),
	key("node_verify", yesNo, func(t *TLS) *bool { return &t.NodeVerify }),
}

var defaultTLS = TLS{MinVersion: tls.VersionTLS12, NodeVerify: true}

var tlsVersion = scalarOf(`"1.2" or "1.3"`, words, func(_ scope, text string) (uint16, error) {
	switch text {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, errWants
}).shown(form{"enum": []string{"1.2", "1.3"}})

var certificateKeys = table[Certificate]{
	key("cert", existing("a file"), func(c *Certificate) *string { return &c.Cert }),
	key("key", existing("a file"), func(c *Certificate) *string { return &c.Key }),
}

var certificate = kind[Certificate]{"{cert: FILE, key: FILE}", certificateKeys.form().needs("cert", "key"), func(s scope, n *node) (Certificate, bool) {
	var c Certificate
	before := len(s.problems)
	certificateKeys.read(s, &c, n)
	if n.shape == mapping && len(s.problems) == before && (c.Cert == "" || c.Key == "") {
		s.errorf(n.position, "%s takes both cert and key", s.key)
	}
	return c, len(s.problems) == before
}}

var regionKeys = table[Region]{
	key("location", coordinates, func(r *Region) **Location { return &r.Location }),
	key("continents", listOf(continent), func(r *Region) *[]string { return &r.Continents }),
	key("countries", listOf(country), func(r *Region) *[]string { return &r.Countries }),
	key("prefixes", listOf(prefix), prefixesOf),
	key("addresses", listOf(address), addressesOf),
	key("reach", reach, func(r *Region) *Reach { return &r.Reach }),
	{name: "failover", read: readFailover, form: func() form { return listForm(nameForm) }},
	key("state", adminState, func(r *Region) *AdminState { return &r.State }),
}

func readFailover(s scope, r *Region, n *node) {
	if names, ok := listOf(name("a region")).read(s, n); ok {
		r.Failover, r.FailoverSet = names, true
	}
}

var reach = oneOf("way to reach a region",
	choice[Reach]{"nodes", ReachNodes}, choice[Reach]{"balancers", ReachBalancers}, choice[Reach]{"none", ReachNone})

var adminState = oneOf("state",
	choice[AdminState]{"active", Active}, choice[AdminState]{"drain", Drain}, choice[AdminState]{"disabled", Disabled})

// name is a word that the operator has chosen for something.
func name(what string) kind[string] {
	return phrase("the name of "+what, func(s string) error {
		if !validName(s) {
			return errWants
		}
		return nil
	}).shown(nameForm)
}

// validName keeps names fit for logs, metrics and URLs; the slash is ours (see Topology.Reachable).
func validName(s string) bool {
	if s == "" || len(s) > 253 || strings.ContainsAny(s[:1], "-.") {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

var hostName = phrase("a host name such as mail.example.org", func(s string) error {
	if !IsHost(s) {
		return errWants
	}
	return nil
}).shown(nameForm)

// IsHost says whether s can be the name of a cluster or the address of a node: the syntax of RFC 1123, 2.1, and an underscore, which
// internal names often have.
func IsHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > 63 || !validName(label) || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return true
}
