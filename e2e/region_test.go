package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestRegions has a region for each Dovecot: clients stay in their own, go where `failover` says when it dies, come back
// when it is back, and never go anywhere else.
func TestRegions(t *testing.T) {
	o := begin(t)
	servers.restoreAfter(t)
	p := serve(t, topology{
		proxy:   "v2",
		regions: "region: eu\nregions:\n  eu: {failover: [us]}\n  us: {}\n  ap: {}\n",
		region:  map[string]string{"d1": "eu", "p1": "eu", "d2": "us", "p2": "us", "d3": "ap"},
	})
	nearby := []string{"d1", "p1", "d2", "p2"} // all that eu may use
	eventually(t, 15*time.Second, "all up", func() error { return p.are("up", nearby, services()) })
	requireNodes(t, "d1", "p1")

	servers.must(t, "kill9", victims...)
	requireNodes(t, "d2", "p2") // at once: a refused connect is left at once

	servers.must(t, "start", victims...)
	eventually(t, 20*time.Second, "up again", func() error { return p.are("up", nearby, services()) })
	requireNodes(t, "d1", "p1")

	servers.must(t, "kill9", "d1", "d2")
	eventually(t, 10*time.Second, "down", func() error { return p.are("down", []string{"d1", "d2"}, services()) })
	if words, err := refused("imap", trusted(t)); err != nil || words != ourWords["imap"] {
		t.Errorf("with eu and us down, and ap not in failover: %q, %v; want our words", words, err)
	}
	o.fact(t, "own region, failover, and back; never a region that failover does not name")
}

// requireNodes is that these nodes, and no others, greet clients.
func requireNodes(t *testing.T, store, transfer string) {
	t.Helper()
	for service := range ports {
		want := store
		if service[0] == 's' && service != "sieve" {
			want = transfer
		}
		for range 5 {
			if a := try(service, trusted(t)); a.err != nil || a.node != want {
				t.Error(fmt.Errorf("want %s: %v", want, a))
			}
		}
	}
}
