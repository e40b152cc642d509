package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestWebReload changes the topology a hundred times under clients with kept connections: none of them ends.
func TestWebReload(t *testing.T) {
	const clients, reloads = 200, 100
	o := beginWeb(t)
	y := webTopology{proxy: "v2", rest: true}
	p := serveWeb(t, y)
	l := keepAlive(t, y, clients, 200*time.Millisecond)
	before := held(t, p)
	began := time.Now()
	for n := range reloads {
		webVariant(n).write(t, p.path)
		eventually(t, patience, "reload", func() error { return inEffect(p, n+1) })
	}
	took := time.Since(began)
	l.after(t, 2*clients) // each once more, at least
	now := held(t, p)
	answered, err := l.leave()
	if err != nil {
		t.Errorf("after %d answers: %v", answered, err)
	}
	if now.files > before.files+50 || now.goroutines > before.goroutines+60 {
		t.Errorf("holds %+v after the reloads, %+v before", now, before)
	}
	o.fact(t, "%d connections and their %d requests outlived %d reloads in %v", clients, answered, reloads, took.Round(10*time.Millisecond))
}

// webVariant is the n-th topology: each differs from the one before in more than one way, and serves /dav at the same address.
func webVariant(n int) webTopology {
	y := webTopology{
		proxy:   "v2",
		rest:    n%2 == 0,
		weights: map[string]int{"a1": 1 + n%5, "c1": 1 + n%3},
		keys:    map[string]string{"webdav": fmt.Sprintf("balance: %s, attempts: %d", []string{"least-sessions", "round-robin", "random", "client-hash"}[n%4], 2+n%3)},
	}
	switch n % 4 {
	case 1: // a node goes
		y.without = []string{"a2", "c1"}
	case 2: // a listener comes
		y.more = fmt.Sprintf("%s:%d", front, 5000+n)
	case 3: // nodes are asked in another way
		y.proxy = ""
	}
	return y
}
