package main

import (
	"runtime"
	"slices"

	"posthouse/config"
	"posthouse/geodns"
	"posthouse/proxy/relay"
)

// grantProcessors lets one goroutine run beside the loops of the relay, which keep theirs while they wait a moment for the next event, and
// beside the threads that answer DNS. Without it they give them back for each wait, and a line of a lonely session costs half as much again.
// Where every service is HTTP the loops have next to nothing to do, and processors above the cores cost: Go's scheduler wakes threads to
// look for work, and a new connection costs half as much again. Processors are never taken back.
func grantProcessors(t *config.Topology) {
	most := 1
	if slices.ContainsFunc(t.Listeners(), relays) {
		most += relay.Loops()
	}
	if t.DNS != nil {
		most += geodns.Threads()
	}
	if runtime.GOMAXPROCS(0) < most {
		runtime.GOMAXPROCS(most)
	}
}

// relays says whether the bytes of a listener's clients are relayed as they are.
func relays(l config.Listener) bool {
	return slices.ContainsFunc(l.Services, func(s *config.Service) bool { return s.Protocol != config.HTTP || s.TLS == config.Passthrough })
}
