package healthcheck

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestQueueOrders(t *testing.T) {
	var q queue
	start := time.Unix(1000, 0)
	entries := make([]*entry, 200)
	for i := range entries {
		entries[i] = &entry{}
		q.schedule(entries[i], start.Add(time.Duration(rand.IntN(1000))*time.Second))
	}
	for i, e := range entries {
		switch i % 3 {
		case 0:
			q.schedule(e, start.Add(time.Duration(rand.IntN(1000))*time.Second))
		case 1:
			q.remove(e)
			q.remove(e) // nothing happens
		}
	}
	last, n := start, 0
	for e := q.first(); e != nil; e = q.first() {
		if e.due.Before(last) {
			t.Fatalf("%v came after %v", e.due, last)
		}
		last, n = e.due, n+1
		q.remove(e)
	}
	if want := 200 - 67; n != want {
		t.Errorf("%d entries came out, want %d", n, want)
	}
}

func TestPhaseIsEven(t *testing.T) {
	const n, cells = 10000, 20
	var count [cells]int
	for i := range n {
		p := phase(fmt.Sprintf("eu-imap-%03d\x00993imap", i))
		if p < 0 || p >= 1 {
			t.Fatalf("phase = %v, want 0 up to 1", p)
		}
		count[int(p*cells)]++
	}
	for i, c := range count {
		if c < n/cells*8/10 || c > n/cells*12/10 {
			t.Errorf("cell %d of %d has %d of %d names", i, cells, c, n)
		}
	}
}

func TestFollowing(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, c := range []struct {
		name                  string
		began, interval, want float64
		phase                 float64
	}{
		{"after the first round, early phase", 0.1, 5, 5.5, 0.1},
		{"after the first round, late phase", 0.9, 5, 4.5, 0.9},
		{"in its turn", 5.5, 5, 10.5, 0.1},
		{"late by a little", 5.9, 5, 10.5, 0.1},
		{"late by more than half", 8.9, 5, 15.5, 0.1},
		{"late by rounds", 31, 5, 35.5, 0.1},
		{"interval below the spread", 0.9, 0.5, 1.45, 0.9},
	} {
		began := start.Add(time.Duration(c.began * float64(time.Second)))
		got := following(start, began, time.Duration(c.interval*float64(time.Second)), c.phase).Sub(start).Seconds()
		if got < c.want-1e-6 || got > c.want+1e-6 {
			t.Errorf("%s: next round at %v s, want %v s", c.name, got, c.want)
		}
	}
}
