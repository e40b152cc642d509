package relay

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWheel compares with a map of what was set. Nobody comes up early who is due within a turn, and everybody in the tick after it was due.
func TestWheel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Hour
	w := newWheel(now)
	due := make(map[int32]time.Duration)
	for range 50_000 {
		number := random.Int32N(300)
		switch random.IntN(8) {
		case 0, 1, 2, 3:
			due[number] = now + 1 + time.Duration(random.Int64N(int64(60*time.Second)))
			w.set(number, due[number])
		case 4:
			w.clear(number)
			delete(due, number)
		default:
			if wait := w.wait(now); wait < 0 != (len(due) == 0) {
				t.Fatalf("wait = %v with %d set", wait, len(due))
			}
			now += time.Duration(random.Int64N(int64(2 * time.Second)))
			for n := w.pop(now); n != nobody; n = w.pop(now) {
				if at, set := due[n]; !set || at > now {
					t.Fatalf("%d came up at %v, set %v for %v", n, now, set, at)
				}
				delete(due, n)
			}
		}
		for n, at := range due {
			if now >= at+wheelTick {
				t.Fatalf("%d did not come up at %v, was due at %v", n, now, at)
			}
		}
	}
}

// What is due later than a turn comes up within it, to be set again; and setting in between does not disturb others of its slot.
func TestWheelFarAway(t *testing.T) {
	w := newWheel(0)
	const turn = wheelSlots * wheelTick
	w.set(0, 10*turn)
	w.set(1, 10*turn)
	if n := w.pop(turn - wheelTick); n != 1 && n != 0 {
		t.Errorf("pop = %d, want one of those that are far away", n)
	} else {
		w.set(n, 10*turn)
	}
	if n := w.pop(turn - wheelTick); n == nobody {
		t.Error("pop = nobody, want the other one")
	}
	if wait := w.wait(turn); wait <= 0 || wait > turn {
		t.Errorf("wait = %v, want no more than a turn", wait)
	}
}

// A loop that slept for long without timers sets one: it is not early by more than that it is looked at once.
func TestWheelAfterSleep(t *testing.T) {
	w := newWheel(0)
	const now = 100 * time.Hour
	w.set(7, now+time.Second)
	for n := w.pop(now); n != nobody; n = w.pop(now) {
		w.set(n, now+time.Second)
	}
	if n := w.pop(now + time.Second - 1); n != nobody {
		t.Errorf("%d came up early", n)
	}
	if n := w.pop(now + time.Second); n != 7 {
		t.Errorf("pop = %d, want 7", n)
	}
}
