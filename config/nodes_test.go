package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestRoles(t *testing.T) {
	const all = "smtp submissions imaps pop3s sieve jmap webdav http"
	for _, c := range []struct{ role, want string }{
		{"all", all},
		{"[all]", all},
		{"[]", ""},
		{"[imaps, pop3s, sieve]", "imaps pop3s sieve"},
		{"[sieve, imaps]", "imaps sieve"},
		{"[all, -pop3s]", "smtp submissions imaps sieve jmap webdav http"},
		{"[-pop3s, all]", "smtp submissions imaps sieve jmap webdav http"},
		{"[all, imap, own]", "smtp submissions imap imaps pop3s sieve jmap webdav http own"},
		{"[all, -jmap, -webdav, -http]", "smtp submissions imaps pop3s sieve"},
		{"[imaps, -imaps]", ""},
	} {
		topology := loaded(t, "services: {own: {protocol: tcp, port: 7}}\nroles: {all: "+c.role+"}\nnodes: [{name: a, address: 10.0.0.1, role: all}]\n")
		if got := strings.Join(topology.Nodes[0].Services, " "); got != c.want {
			t.Errorf("%s runs %q, want %q", c.role, got, c.want)
		}
		if got := strings.Join(topology.Roles[0].Services, " "); got != c.want || topology.Roles[0].Name != "all" {
			t.Errorf("role %s: %q, want %q", c.role, got, c.want)
		}
	}
}

func TestWhatNodesRun(t *testing.T) {
	for _, c := range []struct{ keys, roles, services string }{
		{"", "[unified]", "smtp submissions imaps pop3s sieve jmap webdav http"},
		{", role: access", "[access]", "imaps pop3s"},
		{", roles: [access, out]", "[access out]", "submissions imaps pop3s"},
		{", services: all", "[]", "smtp submissions imaps pop3s sieve jmap webdav http"},
		{", services: [sieve, imaps]", "[]", "imaps sieve"},
	} {
		topology := loaded(t, "roles: {access: [imaps, pop3s], out: [submissions, imaps]}\nnodes: [{name: a, address: 10.0.0.1"+c.keys+"}]\n")
		n := topology.Nodes[0]
		if got := fmt.Sprint(n.Roles); got != c.roles {
			t.Errorf("{%s} has roles %s, want %s", c.keys, got, c.roles)
		}
		if got := strings.Join(n.Services, " "); got != c.services {
			t.Errorf("{%s} runs %s, want %s", c.keys, got, c.services)
		}
	}
	topology := loaded(t, "roles: {unified: [imaps]}\nnodes: [{name: a, address: 10.0.0.1}]\n")
	if got := fmt.Sprint(topology.Nodes[0].Services); got != "[imaps]" {
		t.Errorf("a node without a role where the file says what unified is runs %s", got)
	}
}

func TestNodeKeys(t *testing.T) {
	topology := loaded(t, `region: eu
regions: {eu: {}, us: {}}
nodes:
  - name: "a-[1-3]"
    address: 10.0.0.1+
    region: eu
    services: [imaps, smtp]
    weight: 3
    weights: {imaps: 4}
    ports: {imaps: 10993}
    max_sessions: 20000
overrides:
  a-2: {state: drain, weight: 0, region: us, address: [10.9.9.9, "2001:db8::9"], services: [imaps]}
  a-3: {max_sessions: none, ports: {smtp: 2525}, address: a-3.example.net}
`)
	imaps, smtp := topology.Service("imaps"), topology.Service("smtp")
	var got []string
	for _, n := range topology.Nodes {
		got = append(got, fmt.Sprint(shown(n), " ", n.Region, " ", n.WeightFor("imaps"), n.WeightFor("smtp"), n.Port(imaps), n.Port(smtp), n.MaxSessions, n.State, n.Services))
	}
	want := []string{
		"a-1 10.0.0.1 eu 4 3 10993 25 20000 active [smtp imaps]",
		"a-2 10.9.9.9 2001:db8::9 us 4 0 10993 25 20000 drain [imaps]",
		"a-3 a-3.example.net eu 4 3 993 2525 0 active [smtp imaps]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("nodes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := topology.Nodes[1]; n.File != "t.yaml" || n.Line != 5 {
		t.Errorf("a-2 is at %s:%d, want t.yaml:5", n.File, n.Line)
	}
}

// One address may serve several nodes as long as no port is served twice.
func TestNodesThatShareAnAddress(t *testing.T) {
	for nodes, fine := range map[string]bool{
		"{name: a, address: 10.0.0.1, services: [imaps]}, {name: b, address: 10.0.0.1, services: [smtp]}":                                      true,
		"{name: a, address: 10.0.0.1, services: [imaps]}, {name: b, address: 10.0.0.1, services: [imaps], ports: {imaps: 994}}":                true,
		"{name: a, address: 10.0.0.1, services: [imaps]}, {name: b, address: 10.0.0.1, services: [imaps]}":                                     false,
		"{name: a, address: [10.0.0.1, '::1'], services: [imaps]}, {name: b, address: ['::1', 10.0.0.2], services: [imaps]}":                   false,
		"{name: a, address: a.example, services: [imaps]}, {name: b, address: a.example, services: [imaps], ports: {imaps: 994}}":              true,
		"{name: a, address: 10.0.0.1, services: [imaps]}, {name: b, address: 10.0.0.1, services: [imaps, smtp], ports: {smtp: 7, imaps: 994}}": true,
	} {
		if _, err := parse("cluster: a\nnodes: ["+nodes+"]\n", Options{}); (err == nil) != fine {
			t.Errorf("%s: %v", nodes, err)
		}
	}
}
