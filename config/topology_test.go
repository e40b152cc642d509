package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTopologyDefaults(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	topology := loaded(t, oneNode)
	if topology.Region != "default" || len(topology.Regions) != 1 || topology.Nodes[0].Region != "default" {
		t.Errorf("region %q of %d", topology.Region, len(topology.Regions))
	}
	if topology.Deadline != 25*time.Second || topology.MaxShrink != 0.5 || topology.MinHealthy != 0.5 || topology.StateDir != "" {
		t.Errorf("deadline %v, max_shrink %v, min_healthy %v, state_dir %q", topology.Deadline, topology.MaxShrink, topology.MinHealthy, topology.StateDir)
	}
	if want := (Admin{Listen: "127.0.0.1:9070"}); topology.Admin != want {
		t.Errorf("admin %+v", topology.Admin)
	}
	if got := topology.TLS; got.MinVersion != tls.VersionTLS12 || !got.NodeVerify || got.NodeName != "mail.example.org" || got.NodeCA != "" {
		t.Errorf("tls %+v", got)
	}
	if topology.DNS != nil {
		t.Errorf("dns %+v", topology.DNS)
	}
}

func TestStateDirectory(t *testing.T) {
	for _, c := range []struct{ env, file, want string }{
		{"", "", ""},
		{"/var/lib/posthouse", "", "/var/lib/posthouse"},
		{"/var/lib/a:/var/lib/b", "", "/var/lib/a"},
		{"/var/lib/a", "state_dir: /srv/state\n", "/srv/state"},
		{"/var/lib/a", "state_dir: state\n", "state"},
	} {
		t.Setenv("STATE_DIRECTORY", c.env)
		if got := loaded(t, c.file+oneNode).StateDir; got != c.want {
			t.Errorf("state_dir with %q and $STATE_DIRECTORY %q = %q, want %q", c.file, c.env, got, c.want)
		}
	}
}

// Where this balancer stands: as told, else as the file says, else, for check only, the first.
func TestChosenRegion(t *testing.T) {
	const regions = "regions: {eu: {}, us: {}}\nnodes: [{name: a, address: 10.0.0.1, region: eu}]\n"
	for _, c := range []struct {
		file    string
		options Options
		want    string // "" is a mistake
	}{
		{regions, Options{}, "eu"},
		{regions, Options{Serve: true}, ""},
		{regions, Options{Serve: true, Region: "us"}, "us"},
		{"region: us\n" + regions, Options{Serve: true}, "us"},
		{"region: us\n" + regions, Options{Serve: true, Region: "eu"}, "eu"},
		{"region: us\n" + regions, Options{Region: "ap"}, ""},
		{"region: ap\n" + regions, Options{Region: "eu"}, ""},
		{oneNode, Options{Serve: true}, "default"},
		{oneNode, Options{Serve: true, Region: "default"}, "default"},
		{oneNode, Options{Serve: true, Region: "eu"}, ""},
		{"regions: {here: {}}\n" + oneNode, Options{Serve: true}, "here"},
	} {
		topology, err := parse("cluster: a\n"+c.file, c.options)
		switch {
		case err != nil && c.want != "", err == nil && topology.Region != c.want:
			t.Errorf("%+v with\n%s: %v, %v; want %q", c.options, c.file, topology, err, c.want)
		}
	}
}

func TestRegionKeys(t *testing.T) {
	topology := loaded(t, `region: eu
regions:
  eu: {location: [50.11, -8.5], continents: [EU], countries: ["NO", IL], prefixes: [203.0.113.0/24, "2001:db8::1"], addresses: [192.0.2.1, "2001:db8::1"]}
  us: {reach: balancers, addresses: [198.51.100.1], failover: [eu], state: drain}
  ap: {reach: none, failover: [], state: disabled}
nodes: [{name: a, address: 10.0.0.1, region: eu}]
`)
	eu, us, ap := topology.Regions[0], topology.Regions[1], topology.Regions[2]
	if got := fmt.Sprint(*eu.Location, eu.Continents, eu.Countries, eu.Prefixes, eu.Addresses, eu.Reach, eu.FailoverSet, eu.State); got !=
		"{50.11 -8.5} [EU] [NO IL] [203.0.113.0/24 2001:db8::1/128] [192.0.2.1 2001:db8::1] 0 false active" {
		t.Errorf("eu: %s", got)
	}
	if us.Reach != ReachBalancers || !us.FailoverSet || !slices.Equal(us.Failover, []string{"eu"}) || us.State != Drain {
		t.Errorf("us: %+v", us)
	}
	if ap.Reach != ReachNone || !ap.FailoverSet || len(ap.Failover) != 0 || ap.State != Disabled || ap.Location != nil {
		t.Errorf("ap: %+v", ap)
	}
}

func TestAdminListen(t *testing.T) {
	for _, c := range []struct{ admin, want string }{
		{"{}", "127.0.0.1:9070"},
		{"{listen: none}", ""},
		{"{listen: \"127.0.0.2:80\"}", "127.0.0.2:80"},
		{"{listen: \"[::1]:80\"}", "[::1]:80"},
		{"{listen: \"localhost:80\"}", "127.0.0.1:80"},
		{"{listen: \"unix:/run/posthouse.sock\"}", "unix:/run/posthouse.sock"},
		{"{listen: \"unix:admin.sock\"}", "unix:admin.sock"},
		{"{listen: \":80\", token_file: t, cert: c, key: k}", ":80"},
	} {
		if got := loaded(t, oneNode+"admin: "+c.admin+"\n").Admin.Listen; got != c.want {
			t.Errorf("admin %s listens on %q, want %q", c.admin, got, c.want)
		}
	}
}

// Paths are relative to the file, or to what the caller says.
func TestPaths(t *testing.T) {
	const text = "cluster: a\nnodes: [{name: a, address: 10.0.0.1}]\nstate_dir: s\nadmin: {token_file: /etc/token}\n"
	for _, c := range []struct {
		path, name, dir, want string
	}{
		{"t.yaml", "t.yaml", "", "s"},
		{"/etc/posthouse/t.yaml", "/etc/posthouse/t.yaml", "", "/etc/posthouse/s"},
		{"/etc/posthouse", "/etc/posthouse/t.yaml", "", "/etc/posthouse/s"},
		{"/etc/posthouse", "/etc/posthouse/t.yaml", "/srv", "/srv/s"},
	} {
		source := Source{Path: c.path, Files: []File{{c.name, []byte(text)}}}
		topology, err := Parse(source, Options{Dir: c.dir})
		if err != nil || topology.StateDir != c.want || topology.Admin.TokenFile != "/etc/token" {
			t.Errorf("state_dir of %s with %q = %v, %v; want %s", c.path, c.dir, topology, err, c.want)
		}
	}
}

func TestDNSSection(t *testing.T) {
	d := loaded(t, oneNode+`regions: {here: {addresses: [192.0.2.1]}}
dns:
  listen: ["192.0.2.53:53", ":5353"]
  geoip: city.mmdb
  rate_limit: none
  dnssec: {keys: keys}
  zones:
    Mail.Example.ORG.:
      nameservers: {ns1: [192.0.2.53], ns.example.net.: []}
      ttl: 5m
      hosts: {"@": [smtp], IMAP: [imaps, sieve], web: {any: [jmap, webdav]}}
      domains: [Mail.Example.org, sub.mail.example.org.]
      tlsrpt: https://example.org/tls
      records: |
        www IN A 192.0.2.9
    example.net: {nameservers: {ns: [192.0.2.53]}}
`).DNS
	if got := fmt.Sprint(len(d.Listen), d.GeoIP, d.RateLimit, d.KeyDir, len(d.Zones)); got != "2 [city.mmdb] 0keys2" {
		t.Errorf("dns: %s", got)
	}
	z := *d.Zones[0]
	if got, want := fmt.Sprintf("%+v", z), "{Name:mail.example.org Nameservers:[{Name:ns1 Addresses:[192.0.2.53]} {Name:ns.example.net. Addresses:[]}] TTL:5m0s "+
		"Hosts:[{Name:@ Services:[smtp] Any:false} {Name:imap Services:[imaps sieve] Any:false} {Name:web Services:[jmap webdav] Any:true}] "+
		"Domains:[mail.example.org sub.mail.example.org] TLSRPT:https://example.org/tls Records:www IN A 192.0.2.9\n RecordsLine:17}"; got != want {
		t.Errorf("zone: %s\nwant: %s", got, want)
	}
	if got := d.Zones[1].TTL; got != time.Minute {
		t.Errorf("default ttl %v", got)
	}
}

// Whatever is wrong is said at once, in the order of the file, and not without bound.
func TestAllMistakesAtOnce(t *testing.T) {
	_, err := parse("clusters: 1\nnodes:\n"+strings.Repeat("  - {nam: a, addres: b}\n", 2000), Options{})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("Parse = %v", err)
	}
	if len(problems) != maxProblems+1 || !strings.Contains(problems[maxProblems].Message, "more than 1000 mistakes") {
		t.Errorf("%d problems, the last: %s", len(problems), problems[len(problems)-1])
	}
	if !slices.IsSortedFunc(problems, func(a, b Problem) int { return a.Line - b.Line }) {
		t.Error("problems are not in the order of the file")
	}
	if got := problems[0].String(); got != `t.yaml:1:1: unknown key "clusters" (did you mean "cluster"?)` {
		t.Errorf("first problem: %s", got)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"access", "imap", "imaps", "pop3s", "least-sessions", ""}
	for _, c := range []struct{ word, want string }{
		{"acces", "access"}, {"acess", "access"}, {"acecss", "access"}, {"ACCESS", "access"}, {"imasp", "imaps"}, {"ima", "imap"},
		{"least_session", "least-sessions"}, {"xyz", ""}, {"", ""}, {"a", ""}, {strings.Repeat("a", 1000), ""},
	} {
		want := ""
		if c.want != "" {
			want = fmt.Sprintf(" (did you mean %q?)", c.want)
		}
		if got := (&loader{}).suggest(c.word, known); got != want {
			t.Errorf("suggest(%q) = %q, want %q", c.word, got, want)
		}
	}
}
