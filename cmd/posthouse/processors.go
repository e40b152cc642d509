package main

import (
	"runtime"

	"posthouse/proxy/relay"
)

// grantProcessors lets one goroutine run beside the loops of the relay, which keep theirs while they wait a moment for the next event. Without
// it they give them back for each wait, and a line of a lonely session costs half as much again.
func grantProcessors() {
	if most := relay.Loops() + 1; runtime.GOMAXPROCS(0) < most {
		runtime.GOMAXPROCS(most)
	}
}
