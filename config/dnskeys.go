package config

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

var dnsKeys = table[dnsEntry]{
	key("listen", listOf(listenAddress), func(d *dnsEntry) *[]netip.AddrPort { return &d.Listen }),
	key("geoip", oneOrMore(existing("a file")), func(d *dnsEntry) *[]string { return &d.GeoIP }),
	key("rate_limit", orNone(perSecond), func(d *dnsEntry) *int { return &d.RateLimit }),
	section("dnssec", dnssecKeys, func(d *dnsEntry) *DNS { return &d.DNS }),
	key("zones", as("a mapping from names to zones", mapping).shown(namedForm(zoneForm)), func(d *dnsEntry) **node { return &d.zones }),
}

// dnsEntry is the section dns as it is written.
type dnsEntry struct {
	DNS
	zones *node
}

var dnssecKeys = table[DNS]{
	key("keys", existing("a directory"), func(d *DNS) *string { return &d.KeyDir }),
}

// zoneEntry is a zone as it is written.
type zoneEntry struct {
	Zone
	nameservers, hosts, domains, records *node

	parsed []dns.RR     // records, as far as they could be read
	check  *recordCheck // what knows where they are in the file; nil: there are none
}

var zoneKeys = table[zoneEntry]{
	key("nameservers", as("a mapping from names to lists of addresses", mapping).shown(namedForm(listForm(address.form))), func(z *zoneEntry) **node { return &z.nameservers }),
	key("ttl", ttl, func(z *zoneEntry) *time.Duration { return &z.TTL }),
	key("hosts", as("a mapping from names to services", mapping).shown(namedForm(hostForm)), func(z *zoneEntry) **node { return &z.hosts }),
	key("domains", as("a list of mail domains", list).shown(listForm(matching(`.`))), func(z *zoneEntry) **node { return &z.domains }),
	key("tlsrpt", phrase("mailto: or https: and where reports go", reportURI), func(z *zoneEntry) *string { return &z.TLSRPT }),
	key("records", as("records in master-file syntax (records: |)", scalar).shown(form{"type": "string"}), func(z *zoneEntry) **node { return &z.records }),
}

// defaultTTL is short, so that clients follow a failover, and long enough for resolvers to be of use.
const defaultTTL = time.Minute

var ttl = scalarOf("seconds from 1 to 604800, or a time such as 5m", "!!int "+words, func(_ scope, text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, err2 := strconv.ParseUint(text, 10, 31); err2 == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < time.Second || d > 7*24*time.Hour || d%time.Second != 0 {
		return 0, errWants
	}
	return d, nil
})

var perSecond = scalarOf("a number of answers a second such as 200/s", words, func(_ scope, text string) (int, error) {
	digits, found := strings.CutSuffix(text, "/s")
	n, err := strconv.ParseUint(digits, 10, 30)
	if !found || err != nil || n == 0 {
		return 0, errWants
	}
	return int(n), nil
})

// reportURI is what RFC 8460, 3, allows after "rua=".
func reportURI(s string) error {
	if !strings.HasPrefix(s, "mailto:") && !strings.HasPrefix(s, "https://") || strings.ContainsAny(s, " ;,!\"") {
		return errWants
	}
	return nil
}

// canonical is a domain name in lower case without its final dot.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// within says whether a name is a zone's own or below it.
func within(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }

// hostServices reads what a region must be able to serve: a list, or {any: [...]} where one of it is enough.
func (b *builder) hostServices(s scope, n *node) (services []string, anyOf, ok bool) {
	const want = "a list of services, or {any: [jmap, webdav]}"
	if n.shape == mapping && len(n.pairs) == 1 && n.pairs[0].key.text == "any" {
		n, anyOf = n.pairs[0].value, true
	}
	if n.shape != list || len(n.items) == 0 {
		s.wants(n, want)
		return nil, anyOf, false
	}
	services, ok = listOf(name("a service")).read(s, n)
	for _, item := range n.items {
		if item.shape == scalar && validName(item.text) && b.entry(item.text) == nil {
			s.errorf(item.position, "%s: no service %q%s", s.key, item.text, b.suggest(item.text, b.serviceNames()))
			ok = false
		}
	}
	return services, anyOf, ok
}
