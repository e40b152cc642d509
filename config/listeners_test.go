package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestListeners(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"nodes: [{name: a, address: 10.0.0.1}]", ":25 smtp, :465 submissions, :993 imaps, :995 pop3s, :4190 sieve, :443 jmap"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [webdav, http]}]", ":443 webdav"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [http]}]", ":443 http"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [imaps, lmtp]}]", ":993 imaps"}, // lmtp listens nowhere
		{"nodes: [{name: a, address: 10.0.0.1, services: [imaps], state: disabled}, {name: b, address: 10.0.0.2, services: [smtp]}]", ":25 smtp"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [imaps, pop3s]}]\nservices: {imaps: {listen: []}}", ":995 pop3s"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [imaps]}]\nservices: {imaps: {listen: [\"192.0.2.1:993\", \"[2001:db8::1]:993\"]}}", "192.0.2.1:993 imaps, [2001:db8::1]:993 imaps"},
		{"nodes: [{name: a, address: 10.0.0.1}]\nservices: {jmap: {tls: none}, webdav: {tls: none}, http: {tls: none}}", ":25 smtp, :465 submissions, :993 imaps, :995 pop3s, :4190 sieve, :443 jmap webdav http"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [jmap, webdav]}]\nservices: {jmap: {redirect_listen: [\":80\"]}, webdav: {redirect_listen: [\":80\"]}}", ":443 jmap, :80 jmap webdav redirect"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [imaps, pop3s]}]\nservices: {imaps: {listen: [\":443\"], server_names: [i.example]}, pop3s: {listen: [\":443\"], server_names: [p.example]}}", ":443 imaps pop3s"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [jmap, http]}, {name: b, address: 10.0.0.2, services: [webdav]}]\nservices: {webdav: {server_names: [dav.example]}}", ":443 jmap webdav"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [own]}]\nservices: {own: {protocol: tcp, port: 7, listen: [\":7\"]}}", ":7 own"},
		{"region: us\nregions: {eu: {}, us: {}}\nnodes: [{name: a, address: 10.0.0.1, region: eu, services: [imaps]}]\nservices: {imaps: {regional_listen: {us: [\":1993\"]}}}", ":1993 imaps"},
		{"region: eu\nregions: {eu: {}, us: {}}\nnodes: [{name: a, address: 10.0.0.1, region: eu, services: [imaps]}]\nservices: {imaps: {regional_listen: {eu: []}}}", ""},
	} {
		var all []string
		for _, l := range loaded(t, c.file+"\n").Listeners() {
			s := listenText(l.Address)
			for _, service := range l.Services {
				s += " " + service.Name
			}
			if l.Redirect {
				s += " redirect"
			}
			all = append(all, s)
		}
		if got := strings.Join(all, ", "); got != c.want {
			t.Errorf("%s\nopens %s\nwant  %s", c.file, got, c.want)
		}
	}
}

func TestAnswering(t *testing.T) {
	for _, c := range []struct{ file, service, want string }{
		{"nodes: [{name: a, address: 10.0.0.1}]", "imaps", "imaps"},
		{"nodes: [{name: a, address: 10.0.0.1}]", "http", "jmap"},
		{"nodes: [{name: a, address: 10.0.0.1}]\nservices: {jmap: {tls: none}, webdav: {tls: none}, http: {tls: none}}", "http", "http"},
		{"nodes: [{name: a, address: 10.0.0.1}]\nservices: {http: {server_names: [www.example]}}", "http", "http"},
		{"nodes: [{name: a, address: 10.0.0.1}]\nservices: {http: {listen: [\":8443\"]}}", "http", "http"},
		{"nodes: [{name: a, address: 10.0.0.1, services: [imaps, lmtp]}]", "lmtp", ""},
	} {
		topology := loaded(t, c.file+"\n")
		got := ""
		if s := topology.Answering(topology.Service(c.service)); s != nil {
			got = s.Name
		}
		if got != c.want {
			t.Errorf("%s\n%s is answered by %q, want %q", c.file, c.service, got, c.want)
		}
	}
}

func TestShrink(t *testing.T) {
	topology := func(nodes string, options string) *Topology {
		return loaded(t, options+"nodes:\n"+nodes)
	}
	const ten = "  - {name: \"a-[01-10]\", address: 10.0.0.1+, services: [imaps]}\n"
	for _, c := range []struct{ what, old, new, options, want string }{
		{"nothing", ten, ten, "", "[]"},
		{"half", ten, "  - {name: \"a-[01-05]\", address: 10.0.0.1+, services: [imaps]}\n", "", "[]"},
		{"more than half", ten, "  - {name: \"a-[01-04]\", address: 10.0.0.1+, services: [imaps]}\n", "", `[imaps in region "default" would lose 6 of 10 nodes; max_shrink allows 5 (0.5 of them)]`},
		{"the new file's own share counts", ten, "  - {name: \"a-[01-04]\", address: 10.0.0.1+, services: [imaps]}\n", "max_shrink: 1\n", "[]"},
		{"a share of none", ten, "  - {name: \"a-[01-09]\", address: 10.0.0.1+, services: [imaps]}\n", "max_shrink: 0\n", `[imaps in region "default" would lose 1 of 10 nodes; max_shrink allows 0 (0 of them)]`},
		{"another service in its place", ten, "  - {name: \"a-[01-10]\", address: 10.0.0.1+, services: [pop3s]}\n", "", `[imaps in region "default" would lose 10 of 10 nodes; max_shrink allows 5 (0.5 of them)]`},
		{"three are too few", "  - {name: \"a-[1-3]\", address: 10.0.0.1+, services: [imaps]}\n", "  - {name: b, address: 10.9.0.1, services: [imaps]}\n", "", "[]"},
		{"four are enough", "  - {name: \"a-[1-4]\", address: 10.0.0.1+, services: [imaps]}\n", "  - {name: b, address: 10.9.0.1, services: [imaps]}\n", "", `[imaps in region "default" would lose 4 of 4 nodes; max_shrink allows 2 (0.5 of them)]`},
		{"disabled in old", "  - {name: \"a-[1-3]\", address: 10.0.0.1+, services: [imaps]}\n  - {name: c, address: 10.1.0.1, state: disabled, services: [imaps]}\n", "  - {name: b, address: 10.9.0.1, services: [imaps]}\n", "", "[]"},
		{"disabled in new", ten, "  - {name: \"a-[01-10]\", address: 10.0.0.1+, services: [imaps], state: disabled}\n", "", `[imaps in region "default" would lose 10 of 10 nodes; max_shrink allows 5 (0.5 of them)]`},
		{"drained in new", ten, "  - {name: \"a-[01-10]\", address: 10.0.0.1+, services: [imaps], state: drain}\n", "", "[]"},
		{"new names", ten, "  - {name: \"b-[01-10]\", address: 10.0.0.1+, services: [imaps]}\n", "", "[]"},
		{"new addresses", ten, "  - {name: \"a-[01-10]\", address: 10.9.0.1+, services: [imaps]}\n", "", "[]"},
		{"other nodes", ten, "  - {name: \"b-[01-10]\", address: 10.9.0.1+, services: [imaps]}\n", "", `[imaps in region "default" would lose 10 of 10 nodes; max_shrink allows 5 (0.5 of them)]`},
	} {
		if got := fmt.Sprint(Shrink(topology(c.old, ""), topology(c.new, c.options))); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.what, got, c.want)
		}
	}
}
