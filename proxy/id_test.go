package proxy

import (
	"testing"
	"time"
)

func TestIDsSort(t *testing.T) {
	n := newIDs()
	now := time.Now()
	last := ""
	for i := range 10_000 {
		id := n.next(now.Add(time.Duration(i/100) * time.Millisecond))
		if len(id) != idLength || id <= last {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
	}
	if a, b := newIDs().next(now), newIDs().next(now); a == b {
		t.Errorf("two processes say %s", a)
	}
}

func BenchmarkID(b *testing.B) {
	b.ReportAllocs()
	n := newIDs()
	now := time.Now()
	for b.Loop() {
		n.next(now)
	}
}
