package proxy

import (
	"testing"
	"time"
)

func TestIDsSort(t *testing.T) {
	n := newIDs()
	now := time.Now()
	var last sessionID
	for i := range 10_000 {
		id := n.next(now.Add(time.Duration(i/100) * time.Millisecond))
		if id.String() <= last.String() {
			t.Fatalf("%q after %q", id, last)
		}
		if at := now.Add(time.Duration(i/100) * time.Millisecond).Truncate(time.Millisecond); !id.began().Equal(at) {
			t.Fatalf("%s began %v, want %v", id, id.began(), at)
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
