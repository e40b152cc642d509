package geodns

import (
	"net/netip"
	"sync"
	"testing"
)

func TestRateLimit(t *testing.T) {
	r := newRateLimit()
	client := netip.MustParseAddr("192.0.2.1")
	var got [3]int
	for range 100 {
		got[r.count(client, 1, 1000, 20)]++
	}
	if want := [3]int{send: 20, slip: 40, drop: 40}; got != want {
		t.Errorf("sent, slipped, dropped %v, want %v", got, want)
	}
	for _, row := range []struct {
		name   string
		client string
		answer uint64
		second uint32
		limit  uint32
		within bool
	}{
		{"the same network", "192.0.2.77", 1, 1000, 20, false},
		{"another answer", "192.0.2.1", 2, 1000, 20, true},
		{"another network", "192.0.3.1", 1, 1000, 20, true},
		{"the next second", "192.0.2.1", 1, 1001, 20, true},
		{"no limit", "192.0.2.1", 1, 1000, 0, true},
	} {
		if v := r.count(netip.MustParseAddr(row.client), row.answer, row.second, row.limit); (v == send) != row.within {
			t.Errorf("%s: verdict %d", row.name, v)
		}
	}
}

func TestRateLimitNetworks(t *testing.T) {
	for _, row := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.0", "192.0.2.255", true}, {"192.0.2.0", "192.0.3.0", false},
		{"2001:db8::", "2001:db8:0:ff::1", true}, {"2001:db8::", "2001:db8:0:100::", false}, {"0.0.1.0", "::", false},
	} {
		if got := clientNetwork(netip.MustParseAddr(row.a)) == clientNetwork(netip.MustParseAddr(row.b)); got != row.same {
			t.Errorf("%s and %s: one network %v, want %v", row.a, row.b, got, row.same)
		}
	}
}

// TestRateLimitTogether has workers count the same answers: none of them gets a limit of its own.
func TestRateLimitTogether(t *testing.T) {
	const workers, each, limit = 4, 1000, 100
	r := newRateLimit()
	client := netip.MustParseAddr("2001:db8::1")
	var mu sync.Mutex
	var all [3]int
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			var own [3]int
			for range each {
				own[r.count(client, 7, 5, limit)]++
			}
			mu.Lock()
			defer mu.Unlock()
			for i, n := range own {
				all[i] += n
			}
		})
	}
	group.Wait()
	if all[send] != limit || all[slip]+all[drop] != workers*each-limit {
		t.Errorf("sent, slipped, dropped %v, want %d sent of %d", all, limit, workers*each)
	}
}

func BenchmarkRateLimit(b *testing.B) {
	r := newRateLimit()
	client := netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		r.count(client, 1, 1000, 1<<31)
	}
}
