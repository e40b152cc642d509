package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestReachable(t *testing.T) {
	topology := loaded(t, `region: eu
regions:
  eu: {}
  us: {reach: nodes}
  ap: {reach: balancers, addresses: [203.0.113.10, "2001:db8::10"]}
  ch: {reach: none}
nodes:
  - {name: eu-1, address: 10.0.0.1, region: eu}
  - {name: us-1, address: 10.1.0.1, region: us}
  - {name: ap-1, address: 10.2.0.1, region: ap, services: [imaps, sieve, lmtp]}
  - {name: ap-2, address: 10.2.0.2, region: ap, services: [smtp], state: disabled}
  - {name: ch-1, address: 10.3.0.1, region: ch}
services:
  imaps: {regional_listen: {ap: [":1993"]}}
`)
	var got []string
	for _, n := range topology.Reachable() {
		s := n.Name
		if n.Balancer {
			s += fmt.Sprint(" ", n.Services, n.Ports, n.WeightFor("imaps"))
		}
		got = append(got, s)
	}
	want := []string{
		"eu-1", "us-1",
		"balancer/ap/203.0.113.10 [imaps sieve] map[imaps:1993 sieve:4190] 1",
		"balancer/ap/2001:db8::10 [imaps sieve] map[imaps:1993 sieve:4190] 1",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("reachable:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if topology.RegionNamed("us") == nil || topology.RegionNamed("uk") != nil || topology.Node("us-1") == nil || topology.Node("us-2") != nil {
		t.Error("names are not found as they are")
	}
}

// With dns every public address is probed: under one name, however its region is reached.
func TestProbed(t *testing.T) {
	const regions = `region: eu
regions:
  eu: {addresses: [192.0.2.10]}
  us: {addresses: [198.51.100.10]}
  ap: {reach: balancers, addresses: [203.0.113.10]}
  ch: {reach: none, addresses: [192.0.2.130]}
nodes:
  - {name: eu-1, address: 10.0.0.1, region: eu, services: [imaps]}
  - {name: us-1, address: 10.1.0.1, region: us, services: [imaps]}
  - {name: ap-1, address: 10.2.0.1, region: ap, services: [imaps]}
  - {name: ch-1, address: 10.3.0.1, region: ch, services: [smtp, lmtp]}
services:
  smtp: {regional_listen: {ch: [":2525"]}}
`
	const dns = `dns: {listen: ["192.0.2.53:53"], zones: {mail.example.org: {nameservers: {ns1: [192.0.2.53]}}}}
`
	for text, want := range map[string]string{
		regions: "eu-1 us-1 balancer/ap/203.0.113.10[imaps]",
		regions + dns: "eu-1 us-1 balancer/ap/203.0.113.10[imaps] address/eu/192.0.2.10[imaps] address/us/198.51.100.10[imaps] " +
			"address/ch/192.0.2.130[smtp:2525]",
	} {
		topology := loaded(t, text)
		var got []string
		for _, n := range topology.Probed() {
			name := n.Name
			if n.Balancer || n.Public {
				r := topology.RegionNamed(n.Region)
				if name != topology.Front(r, r.Addresses[0]) {
					t.Errorf("%s is called %s elsewhere", name, topology.Front(r, r.Addresses[0]))
				}
				name += fmt.Sprint(n.Services)
			}
			if p := n.Ports["smtp"]; p != 0 {
				name = strings.Replace(name, "smtp", fmt.Sprint("smtp:", p), 1)
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("probed: %s\nwant: %s", strings.Join(got, " "), want)
		}
	}
}

func TestHealthStates(t *testing.T) {
	for state, want := range map[HealthState]string{
		Unknown: "unknown true", Up: "up true", Failing: "failing true", Down: "down false", Recovering: "recovering false",
	} {
		if got := fmt.Sprint(state, " ", state.Usable()); got != want {
			t.Errorf("state %d is %s, want %s", state, got, want)
		}
	}
}
