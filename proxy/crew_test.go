package proxy

import (
	"testing"
	"testing/synctest"
)

// Who is done takes the next piece of work; no more wait for it than need be, and work never waits for them.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		waiting := func(want int32) {
			t.Helper()
			if synctest.Wait(); c.waiting.Load() != want {
				t.Errorf("%d wait, want %d", c.waiting.Load(), want)
			}
		}
		done := 0
		for range 3 { // one after the other needs one of them
			c.do(func() { done++ })
			waiting(1)
		}
		hold := make(chan struct{})
		for range mostWaiting + 10 {
			c.do(func() { <-hold })
		}
		waiting(0)
		close(hold)
		waiting(mostWaiting)
		c.do(func() { done++ })
		waiting(mostWaiting)
		c.dismiss()
		if done != 4 || c.waiting.Load() != 0 {
			t.Errorf("%d pieces of work were done, want 4; %d wait after the end", done, c.waiting.Load())
		}
	})
}
