package main

import (
	"runtime"

	"posthouse/config"
	"posthouse/geodns"
	"posthouse/proxy/relay"
)

// grantProcessors lets one goroutine run beside the loops of the relay, which keep theirs while they wait a moment for the next event, and
// beside the threads that answer DNS. Without it they give them back for each wait, and a line of a lonely session costs half as much again.
func grantProcessors(t *config.Topology) {
	most := relay.Loops() + 1
	if t.DNS != nil {
		most += geodns.Threads()
	}
	if runtime.GOMAXPROCS(0) < most {
		runtime.GOMAXPROCS(most)
	}
}
