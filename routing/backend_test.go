package routing

import (
	"sync"
	"testing"
	"time"

	"posthouse/config"
)

func TestHedge(t *testing.T) {
	auto := config.Hedge{Auto: true}
	tests := []struct {
		name     string
		hedge    config.Hedge
		greeting time.Duration
		want     time.Duration
	}{
		{"none", config.Hedge{}, time.Second, 0},
		{"as told", config.Hedge{After: 50 * time.Millisecond}, time.Second, 50 * time.Millisecond},
		{"three greetings", auto, 300 * time.Millisecond, 900 * time.Millisecond},
		{"at least", auto, 20 * time.Millisecond, 500 * time.Millisecond},
		{"at most", auto, 3 * time.Second, 5 * time.Second},
		{"greeting not known", auto, 0, 500 * time.Millisecond},
	}
	for _, test := range tests {
		s := &config.Service{Timeouts: config.Timeouts{Hedge: test.hedge}}
		if got := (&Backend{Service: s, Health: config.Health{Greeting: test.greeting}}).Hedge(); got != test.want {
			t.Errorf("%s: Hedge = %v, want %v", test.name, got, test.want)
		}
	}
}

// max_sessions is exact, also when everybody comes at once.
func TestBeginIsBounded(t *testing.T) {
	n := node("eu-1", "eu", "imaps", "sieve")
	n.MaxSessions = 10
	top := topology([]*config.Service{service("imaps", "", 4), service("sieve", "", 4)}, []string{"eu"}, n)
	table := NewTable(top, State{})
	imaps, sieve := table.Backends()[0], table.Backends()[1]
	var mu sync.Mutex
	var all sync.WaitGroup
	live, most := 0, 0
	var begun uint64
	for i := range 64 {
		b := []*Backend{imaps, sieve}[i%2]
		all.Go(func() {
			for range 200 {
				if !b.Begin() {
					continue
				}
				mu.Lock()
				live++
				most = max(most, live)
				live--
				begun++
				mu.Unlock()
				b.End()
			}
		})
	}
	all.Wait()
	if most > 10 || imaps.Sessions() != 0 || sieve.Sessions() != 0 {
		t.Errorf("at most %d sessions at once, %d and %d left, want at most 10 and none", most, imaps.Sessions(), sieve.Sessions())
	}
	if got := imaps.Begun() + sieve.Begun(); got != begun {
		t.Errorf("%d sessions have begun, want %d", got, begun)
	}
	for range 10 {
		if !imaps.Begin() {
			t.Fatal("Begin of a node with room = false")
		}
	}
	if sieve.Begin() || sieve.Sessions() != 0 {
		t.Error("Begin of a node that other services have filled = true")
	}
	imaps.End()
	if !sieve.Begin() {
		t.Error("Begin after an End = false")
	}
}
