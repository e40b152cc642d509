package config

import (
	"fmt"
	"testing"
)

func TestCompare(t *testing.T) {
	const base = "nodes: [{name: a, address: 10.0.0.1, services: [smtp, imaps]}, {name: b, address: 10.0.0.2, services: [imaps]}]\n"
	for _, c := range []struct{ what, next, nodes, services string }{
		{"nothing", base, "{[] [] [] []}", "{[] [] [] []}"},
		{"a node more", "nodes: [{name: a, address: 10.0.0.1, services: [smtp, imaps]}, {name: b, address: 10.0.0.2, services: [imaps]}, {name: c, address: 10.0.0.3, services: [imaps]}]",
			"{[c] [] [] []}", "{[] [] [] []}"},
		{"a node and its service less", "nodes: [{name: b, address: 10.0.0.2, services: [imaps]}]", "{[] [a] [] []}", "{[] [smtp] [] []}"},
		{"another address", "nodes: [{name: a, address: 10.0.0.1, services: [smtp, imaps]}, {name: b, address: [10.0.0.3, \"2001:db8::3\"], services: [imaps]}]",
			"{[] [] [{b [address 10.0.0.2 -> 10.0.0.3,2001:db8::3]}] []}", "{[] [] [] []}"},
		{"a name for the address", "nodes: [{name: a, address: 10.0.0.1, services: [smtp, imaps]}, {name: b, address: b.example, services: [imaps]}]",
			"{[] [] [{b [address 10.0.0.2 -> b.example]}] []}", "{[] [] [] []}"},
		{"another port", base + "services: {imaps: {port: 1993}}", "{[] [] [{a [port of imaps 993 -> 1993]} {b [port of imaps 993 -> 1993]}] []}", "{[] [] [] [{imaps [port]}]}"},
		{"services", "nodes: [{name: a, address: 10.0.0.1, services: [smtp, pop3s]}, {name: b, address: 10.0.0.2, services: [imaps]}]",
			"{[] [] [] [{a [+pop3s -imaps]}]}", "{[pop3s] [] [] []}"},
		{"the rest", base + "overrides: {a: {weight: 2, state: drain, max_sessions: 9, weights: {imaps: 5}}}",
			"{[] [] [] [{a [weight 1 -> 2 weight for imaps 1 -> 5 state active -> drain max_sessions none -> 9]}]}", "{[] [] [] []}"},
		{"keys", base + "defaults: {proxy_protocol: v2}\nservices: {imaps: {slow_start: 5s, tls: none, check: {fall: 9}}}",
			"{[] [] [] []}", "{[] [] [] [{smtp [proxy_protocol]} {imaps [tls proxy_protocol slow_start check]}]}"},
	} {
		old, next := loaded(t, base), loaded(t, c.next+"\n")
		nodes, services := CompareNodes(old, next), CompareServices(old, next)
		if got := fmt.Sprint(nodes); got != c.nodes || nodes.Empty() != (c.nodes == "{[] [] [] []}") {
			t.Errorf("%s: nodes %s, want %s", c.what, got, c.nodes)
		}
		if got := fmt.Sprint(services); got != c.services {
			t.Errorf("%s: services %s, want %s", c.what, got, c.services)
		}
	}
}
