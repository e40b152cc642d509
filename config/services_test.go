package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// loaded is a topology that is given without its cluster.
func loaded(t *testing.T, text string) *Topology {
	t.Helper()
	topology, err := parse("cluster: mail.example.org\n"+text, Options{})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return topology
}

const oneNode = "nodes: [{name: node-1, address: 10.0.0.1, services: [all, imap, pop3, submission, lmtp]}]\n"

// The table of the documentation.
func TestBuiltinServices(t *testing.T) {
	const want = `
smtp smtp [:25] 25 none none 15m
submission smtp [:587] 587 none auto 15m
submissions smtp [:465] 465 passthrough auto 15m
imap imap [:143] 143 none auto 35m
imaps imap [:993] 993 passthrough auto 35m
pop3 pop3 [:110] 110 none auto 15m
pop3s pop3 [:995] 995 passthrough auto 15m
sieve sieve [:4190] 4190 none auto 35m
lmtp lmtp [] 24 none none 15m
jmap http [:443] 443 passthrough auto 1h
webdav http [:443] 443 passthrough auto 1h
http http [:443] 443 passthrough auto 1h
`
	var got strings.Builder
	got.WriteByte('\n')
	for _, s := range loaded(t, oneNode).Services {
		listen := make([]string, len(s.Listen))
		for i, a := range s.Listen {
			listen[i] = listenText(a)
		}
		fmt.Fprintln(&got, s.Name, s.Protocol, listen, s.Port, s.TLS, hedgeText(s.Timeouts.Hedge), plain(s.Timeouts.Idle))
	}
	if got.String() != want {
		t.Errorf("services:%swant:%s", got.String(), want)
	}
}

func hedgeText(h Hedge) string {
	switch {
	case h.Auto:
		return "auto"
	case h.After == 0:
		return "none"
	}
	return h.After.String()
}

// Every default that is not in the table.
func TestServiceDefaults(t *testing.T) {
	want := Service{
		StartTLS: Passthrough, Balance: LeastSessions, SlowStart: 30 * time.Second, Attempts: 4,
		Check:    Check{Level: LevelProtocol, Interval: 5 * time.Second, Timeout: 3 * time.Second, Rise: 2, Fall: 3, RemoteInterval: 15 * time.Second},
		Timeouts: Timeouts{Connect: 3 * time.Second, Greeting: 10 * time.Second},
	}
	for _, s := range loaded(t, oneNode+"services: {own: {protocol: tcp, port: 7}}\n").Services {
		got := *s
		want.Timeouts.Hedge, want.Timeouts.Idle = got.Timeouts.Hedge, got.Timeouts.Idle
		if got.StartTLS != want.StartTLS || got.Balance != want.Balance || got.SlowStart != want.SlowStart || got.Attempts != want.Attempts ||
			got.Check != want.Check || got.Timeouts != want.Timeouts || got.Limits != (Limits{}) || got.Proxy != ProxyNone || got.ProxySet ||
			got.Freebind || len(got.Allow)+len(got.Deny)+len(got.AcceptProxy)+len(got.Source)+len(got.ServerNames) > 0 {
			t.Errorf("%s: %+v", s.Name, got)
		}
	}
}

// What entries and defaults do to a key; the last column is the value of the key afterwards.
func TestServiceLayers(t *testing.T) {
	text := func(topology *Topology, service, key string) string {
		s := topology.Service(service)
		return fmt.Sprint(map[string]any{
			"attempts": s.Attempts, "interval": s.Check.Interval, "rise": s.Check.Rise, "greeting": s.Timeouts.Greeting,
			"hedge": hedgeText(s.Timeouts.Hedge), "idle": plain(s.Timeouts.Idle), "allow": s.Allow, "proxy": s.Proxy, "set": s.ProxySet,
			"port": s.Port, "tls": s.TLS, "limits": s.Limits, "paths": s.Paths, "listen": len(s.Listen), "names": s.ServerNames,
		}[key])
	}
	for _, c := range []struct{ file, service, key, want string }{
		{"services: {imaps: {check: {rise: 5}}}", "imaps", "interval", "5s"}, // check, timeouts and limits key by key
		{"services: {imaps: {check: {rise: 5}}}", "imaps", "rise", "5"},
		{"services: {imaps: {timeouts: {greeting: 1s}}}", "imaps", "idle", "35m"},
		{"defaults: {limits: {sessions: 5}}\nservices: {imaps: {limits: {client_rate: 3/m}}}", "imaps", "limits", "{5 0 {3 1m0s}}"},
		{"defaults: {limits: {sessions: 5}}\nservices: {imaps: {limits: {sessions: none}}}", "imaps", "limits", "{0 0 {0 0s}}"},
		{"defaults: {allow: [10.0.0.0/8]}\nservices: {imaps: {allow: [192.0.2.1]}}", "imaps", "allow", "[192.0.2.1/32]"}, // lists replace
		{"defaults: {allow: [10.0.0.0/8]}\nservices: {imaps: {allow: []}}", "imaps", "allow", "[]"},
		{"defaults: {allow: [10.0.0.0/8]}", "imaps", "allow", "[10.0.0.0/8]"},
		{"defaults: {attempts: 2}\nservices: {imaps: {attempts: 3}}", "imaps", "attempts", "3"},
		{"defaults: {attempts: 2}\nservices: {imaps: {attempts: 3}}", "pop3s", "attempts", "2"},
		{"defaults: {attempts: 2}\nservices: {own: {protocol: tcp, port: 7}}", "own", "attempts", "2"},
		{"defaults: {timeouts: {hedge: 1s}}", "smtp", "hedge", "1s"}, // defaults win over what is built in
		{"defaults: {timeouts: {hedge: 1s}}\nservices: {own: {protocol: tcp, port: 7}}", "own", "hedge", "none"},
		{"defaults: {proxy_protocol: v2}", "imaps", "proxy", "2"},
		{"defaults: {proxy_protocol: none}", "imaps", "set", "true"},
		{"services: {imaps: {proxy_protocol: v1}}", "pop3s", "set", "false"},
		{"services: {own: {protocol: imap, port: 7}}", "own", "hedge", "auto"},
		{"services: {own: {protocol: imap, port: 7}}", "own", "listen", "0"},
		{"services: {own: {protocol: imap, port: 7}}", "own", "tls", "none"},
		{"services: {own: {protocol: sieve, port: 7}}", "own", "idle", "35m"},
		{"services: {jmap: {tls: none}, webdav: {tls: none}, http: {tls: none}}", "jmap", "port", "8080"},
		{"services: {jmap: {tls: none, port: 80}, webdav: {tls: none}, http: {tls: none}}", "jmap", "port", "80"},
		{"defaults: {tls: passthrough}\nservices: {jmap: {}}", "jmap", "port", "443"},
		{"services: {imaps: {tls: none, port: 143}}", "imaps", "tls", "none"},
		{"", "webdav", "paths", "[/dav /.well-known/caldav /.well-known/carddav]"},
		{"", "jmap", "paths", "[/jmap /.well-known/jmap]"},
		{"", "http", "paths", "[]"},
		{`services: {imaps: {server_names: ["A.Example.org", "*.B.example"]}}`, "imaps", "names", "[a.example.org *.b.example]"},
	} {
		if got := text(loaded(t, oneNode+c.file+"\n"), c.service, c.key); got != c.want {
			t.Errorf("%s of %s with %q = %s, want %s", c.key, c.service, c.file, got, c.want)
		}
	}
}

func TestRegionalListen(t *testing.T) {
	topology := loaded(t, `region: us
regions: {eu: {}, us: {}}
nodes: [{name: a, address: 10.0.0.1, region: eu, services: [imaps]}]
services: {imaps: {listen: [":993"], regional_listen: {us: ["198.51.100.10:993"], eu: []}}}
`)
	s := topology.Service("imaps")
	if got := fmt.Sprint(s.ListenIn("us"), len(s.ListenIn("eu"))); got != "[198.51.100.10:993] 0" {
		t.Errorf("listen in us and eu: %s", got)
	}
}

// A service is live if a node runs it that is not disabled, wherever that is.
func TestLive(t *testing.T) {
	topology := loaded(t, `region: eu
regions: {eu: {}, us: {}}
nodes:
  - {name: a, address: 10.0.0.1, region: us, services: [imaps]}
  - {name: b, address: 10.0.0.2, region: eu, services: [pop3s], state: disabled}
  - {name: c, address: 10.0.0.3, region: eu, services: [sieve], state: drain, weight: 0}
`)
	var live []string
	for _, s := range topology.Services {
		if s.Live {
			live = append(live, s.Name)
		}
	}
	if got := strings.Join(live, " "); got != "imaps sieve" {
		t.Errorf("live: %s, want imaps sieve", got)
	}
}
