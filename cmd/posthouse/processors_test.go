package main

import (
	"net/netip"
	"runtime"
	"testing"

	"posthouse/config"
	"posthouse/geodns"
	"posthouse/proxy/relay"
)

// TestProcessors: threads that keep a processor get one each, and one is left for the rest.
func TestProcessors(t *testing.T) {
	service := func(p config.Protocol, m config.TLSMode, port uint16) *config.Service {
		at := netip.AddrPortFrom(netip.Addr{}, port)
		return &config.Service{Protocol: p, TLS: m, Live: true, Listen: []netip.AddrPort{at}}
	}
	imap, web := service(config.IMAP, config.TLSNone, 143), service(config.HTTP, config.Terminate, 443)
	through, unused := service(config.HTTP, config.Passthrough, 8443), &config.Service{Protocol: config.SMTP}
	loops := relay.Loops()
	for _, test := range []struct {
		name     string
		topology config.Topology
		want     int
	}{
		{"http alone", config.Topology{Services: []*config.Service{web, unused}}, 1},
		{"mail", config.Topology{Services: []*config.Service{web, imap}}, loops + 1},
		{"TLS passed through", config.Topology{Services: []*config.Service{through}}, loops + 1},
		{"http and DNS", config.Topology{Services: []*config.Service{web}, DNS: new(config.DNS)}, geodns.Threads() + 1},
		{"all", config.Topology{Services: []*config.Service{imap}, DNS: new(config.DNS)}, loops + geodns.Threads() + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			if grantProcessors(&test.topology); runtime.GOMAXPROCS(0) != test.want {
				t.Errorf("%d processors, want %d", runtime.GOMAXPROCS(0), test.want)
			}
			if grantProcessors(&config.Topology{}); runtime.GOMAXPROCS(0) != test.want {
				t.Errorf("processors were taken back: %d", runtime.GOMAXPROCS(0))
			}
		})
	}
}
