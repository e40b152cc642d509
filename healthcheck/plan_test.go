package healthcheck

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"posthouse/config"
)

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		want       []string // node port protocol level [tls] [proxy] [request] [remote] for services
	}{
		{"everything that a node opens by default", `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1}]
`, []string{
			"a 25 smtp protocol for smtp",
			"a 465 smtp protocol tls for submissions",
			"a 993 imap protocol tls for imaps",
			"a 995 pop3 protocol tls for pop3s",
			"a 4190 sieve protocol for sieve",
			"a 443 http protocol tls GET:/.well-known/jmap for jmap webdav http",
		}},
		{"imap and imaps are different ports", `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1, services: [imap, imaps]}]
`, []string{"a 143 imap protocol for imap", "a 993 imap protocol tls for imaps"}},
		{"disabled nodes are not probed, drained ones are", `
cluster: mail.example.org
nodes:
  - {name: a, address: 10.0.0.1, services: [smtp], state: disabled}
  - {name: b, address: 10.0.0.2, services: [smtp], state: drain}
`, []string{"b 25 smtp protocol for smtp"}},
		{"not fronted here", `
cluster: mail.example.org
services: {smtp: {listen: []}}
nodes: [{name: a, address: 10.0.0.1, services: [smtp, lmtp, sieve]}]
`, []string{"a 4190 sieve protocol for sieve"}},
		{"headers and levels", `
cluster: mail.example.org
defaults: {proxy_protocol: v2}
services:
  imaps: {check: {level: tls}}
  smtp: {check: {level: tcp}, proxy_protocol: v1}
  jmap: {proxy_protocol: none}
  x: {protocol: tcp, port: 7, listen: [":7"]}
  y: {protocol: tcp, port: 8, listen: [":8"], check: {level: tls}}
nodes: [{name: a, address: 10.0.0.1, services: [smtp, imaps, jmap, http, x, y], ports: {imaps: 10993}}]
`, []string{
			"a 25 smtp tcp v1 for smtp",
			"a 10993 imap tls tls v2 for imaps",
			"a 443 http protocol tls GET:/.well-known/jmap for jmap http",
			"a 7 tcp tcp v2 for x",
			"a 8 tcp tls tls v2 for y",
		}},
		{"http that is read here: jmap and webdav ask separately, http with jmap", `
cluster: mail.example.org
defaults: {tls: none}
services: {submissions: {tls: passthrough}, imaps: {tls: passthrough}, pop3s: {tls: passthrough}}
nodes: [{name: a, address: 10.0.0.1, services: [jmap, webdav, http]}]
`, []string{
			"a 8080 http protocol GET:/.well-known/jmap for jmap http",
			"a 8080 http protocol OPTIONS:/dav/cal for webdav",
		}},
		{"one path, one probe", `
cluster: mail.example.org
services:
  jmap: {tls: none, check: {path: /healthz/live}}
  webdav: {tls: none, check: {path: /healthz/live}}
  http: {tls: none}
nodes: [{name: a, address: 10.0.0.1, services: [jmap, webdav, http]}, {name: b, address: 10.0.0.2, services: [webdav, http], ports: {http: 81}}]
`, []string{
			"a 8080 http protocol GET:/healthz/live for jmap webdav http",
			"b 8080 http protocol GET:/healthz/live for webdav",
			"b 81 http protocol GET:/ for http",
		}},
		{"http that differs in anything asks for itself", `
cluster: mail.example.org
services:
  jmap: {tls: none}
  http: {tls: none, check: {interval: 6s}}
  files: {protocol: http, port: 80, paths: [/.well-known/caldav, /remote.php/dav], listen: [":81"]}
  push: {protocol: http, port: 80, paths: [/jmap], listen: [":82"]}
  low: {protocol: http, port: 80, listen: [":83"], check: {level: tcp}}
nodes: [{name: a, address: 10.0.0.1, services: [jmap, http, files, push, low]}]
`, []string{
			"a 8080 http protocol GET:/.well-known/jmap for jmap",
			"a 8080 http protocol GET:/ for http",
			"a 80 http protocol OPTIONS:/remote.php/dav for files",
			"a 80 http protocol GET:/.well-known/jmap for push",
			"a 80 http tcp for low",
		}},
		{"TLS of our own: the node's name, and each service for itself", `
cluster: mail.example.org
services: {jmap: {tls: reencrypt}, webdav: {tls: reencrypt, check: {level: tls}}, http: {tls: reencrypt}}
nodes: [{name: a, address: 10.0.0.1, services: [jmap, webdav, http]}]
tls: {node_name: nodes.example.org, node_verify: true, certificates: [{cert: a, key: b}]}
`, []string{
			"a 443 http protocol tls verify:nodes.example.org GET:/.well-known/jmap for jmap http",
			"a 443 http tls tls verify:nodes.example.org for webdav",
		}},
		{"mail whose TLS ends here: plain where nodes get plain text, and the greeting inside where they get TLS", `
cluster: mail.example.org
services: {imaps: {tls: terminate, port: 143}, pop3s: {tls: reencrypt}, submissions: {tls: reencrypt, check: {level: tls}}}
nodes: [{name: a, address: 10.0.0.1, services: [imaps, pop3s, submissions]}]
tls: {certificates: [{cert: a, key: b}]}
`, []string{
			"a 465 smtp tls tls verify:mail.example.org inside for submissions",
			"a 143 imap protocol for imaps",
			"a 995 pop3 protocol tls verify:mail.example.org inside for pop3s",
		}},
		{"another region's nodes, and its balancers", `
cluster: mail.example.org
region: eu
regions:
  eu: {}
  us: {}
  ap: {reach: balancers, addresses: [192.0.2.1]}
nodes:
  - {name: a, address: 10.0.0.1, region: eu, services: [smtp]}
  - {name: b, address: 10.0.0.2, region: us, services: [smtp]}
  - {name: c, address: 10.0.0.3, region: ap, services: [imaps], ports: {imaps: 10993}}
`, []string{
			"a 25 smtp protocol for smtp",
			"b 25 smtp protocol remote for smtp",
			"balancer/ap/192.0.2.1 993 imap protocol tls v2 remote for imaps",
		}},
		{"public addresses for dns, as clients see them", `
cluster: mail.example.org
region: eu
regions:
  eu: {addresses: [192.0.2.10], failover: []}
  us: {reach: none, addresses: [198.51.100.10]}
defaults: {proxy_protocol: v2}
services:
  imaps: {regional_listen: {us: [":1993"]}, source: [10.0.0.5]}
  smtp: {regional_listen: {us: [":25"], eu: []}}
  x: {protocol: tcp, port: 7, listen: [":7"], tls: reencrypt}
nodes:
  - {name: a, address: 10.0.0.1, region: eu, services: [imaps, x]}
  - {name: b, address: 10.1.0.1, region: us, services: [smtp, imaps, jmap, http, lmtp]}
tls: {certificates: [{cert: a.crt, key: a.key}]}
dns: {listen: ["192.0.2.53:53"], zones: {mail.example.org: {nameservers: {ns1: [192.0.2.53]}}}}
`, []string{
			"a 993 imap protocol tls v2 for imaps",
			"a 7 tcp tcp tls verify:mail.example.org v2 for x",
			"address/eu/192.0.2.10 993 imap protocol tls remote for imaps",
			"address/eu/192.0.2.10 7 tcp tcp tls remote for x",
			"address/us/198.51.100.10 25 smtp protocol remote for smtp",
			"address/us/198.51.100.10 1993 imap protocol tls remote for imaps",
			"address/us/198.51.100.10 443 http protocol tls GET:/.well-known/jmap remote for jmap http",
		}},
		{"a region out of service", `
cluster: mail.example.org
region: eu
regions: {eu: {}, us: {state: disabled}}
nodes:
  - {name: a, address: 10.0.0.1, region: eu, services: [smtp]}
  - {name: b, address: 10.0.0.2, region: us, services: [smtp]}
`, []string{"a 25 smtp protocol for smtp"}},
	} {
		var got []string
		for _, p := range plan(topology(t, c.yaml)) {
			got = append(got, describe(p))
			if strings.HasPrefix(p.spec.node, "address/") && len(p.sources) > 0 {
				t.Errorf("%s: from %v, where clients come from anywhere", p.spec.node, p.sources)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func describe(p *planned) string {
	words := []string{p.spec.node, fmt.Sprint(p.spec.port), string(p.spec.protocol), string(p.spec.level)}
	if p.spec.tls {
		words = append(words, "tls")
	}
	if p.spec.verify {
		words = append(words, "verify:"+p.spec.sni)
	}
	if p.spec.inside {
		words = append(words, "inside")
	}
	if p.spec.proxy != config.ProxyNone {
		words = append(words, fmt.Sprintf("v%d", p.spec.proxy))
	}
	if p.spec.ask.method != "" {
		words = append(words, p.spec.ask.method+":"+p.spec.ask.path)
	}
	if p.spec.interval.Seconds() == 15 {
		words = append(words, "remote")
	}
	words = append(words, "for")
	for _, w := range p.targets {
		words = append(words, w.id.Service)
	}
	return strings.Join(words, " ")
}

// TestSpecsCompare: what a reload does not change compares equal, or every reload would begin everything anew.
func TestSpecsCompare(t *testing.T) {
	const yaml = `
cluster: mail.example.org
defaults: {source: [127.0.0.1, 127.0.0.2]}
nodes: [{name: "n-[1-50]", address: 10.0.0.1+}, {name: h, address: node.example.org}, {name: two, address: [10.0.1.1, "2001:db8::1"]}]
`
	old := make(map[spec]bool)
	for _, p := range plan(topology(t, yaml)) {
		old[p.spec] = true
	}
	for _, p := range plan(topology(t, yaml)) {
		if !old[p.spec] {
			t.Errorf("%+v is not what it was", p.spec)
		}
	}
}
