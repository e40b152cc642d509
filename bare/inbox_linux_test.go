package bare

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInbox: letters come in order, one that is posted while others are read comes next time, and none after the end.
func TestInbox(t *testing.T) {
	var in Inbox[int]
	var events [4]unix.EpollEvent
	set := newSet(t, true)
	for round := range 3 {
		for n := range 5 {
			in.Post(10*round+n, set)
		}
		if n := set.Wait(events[:], -1); n != 1 || events[0].Fd != Bell {
			t.Fatalf("%d events, the first of %d", n, events[0].Fd)
		}
		set.Heard()
		var got []int
		in.Read(func(n int) {
			if got = append(got, n); len(got) == 1 {
				in.Post(-1, set)
			}
		})
		if want := []int{10 * round, 10*round + 1, 10*round + 2, 10*round + 3, 10*round + 4}; !slices.Equal(got, want) {
			t.Errorf("round %d: %v, want %v", round, got, want)
		}
		got = nil
		if in.Read(func(n int) { got = append(got, n) }); !slices.Equal(got, []int{-1}) {
			t.Errorf("round %d: then %v", round, got)
		}
		set.Heard()
		set.Now(events[:])
	}
	in.Shut()
	in.Post(1, set)
	in.Read(func(n int) { t.Errorf("%d after the end", n) })
}
