package relay

import "time"

const (
	wheelTick  = 125 * time.Millisecond // a timer is late by this at most; less wakes a loop with sessions more often
	wheelSlots = 512                    // 64 s; what is due later is looked at once in every turn, and set again
	nobody     = -1
)

// wheel is the timers of a loop, one for each number. Setting, clearing and finding cost the same for any number of them.
type wheel struct {
	heads  [wheelSlots]int32 // of a list for each slot
	links  []link            // by number
	served int64             // the last tick that was looked at
}

type link struct {
	next, prev int32
	slot       int16 // nobody: not set
}

func newWheel(now time.Duration) *wheel {
	w := &wheel{served: int64(now / wheelTick)}
	for i := range w.heads {
		w.heads[i] = nobody
	}
	return w
}

// set lets a number come up when due, or a little later; or earlier if that is more than a turn away. It replaces what was set.
func (w *wheel) set(number int32, due time.Duration) {
	for int(number) >= len(w.links) {
		w.links = append(w.links, link{slot: nobody})
	}
	w.clear(number)
	tick := min(max(int64((due+wheelTick-1)/wheelTick), w.served+1), w.served+wheelSlots-1)
	slot := int16(tick % wheelSlots)
	head := w.heads[slot]
	w.links[number] = link{next: head, prev: nobody, slot: slot}
	if head != nobody {
		w.links[head].prev = number
	}
	w.heads[slot] = number
}

func (w *wheel) clear(number int32) {
	if int(number) >= len(w.links) || w.links[number].slot == nobody {
		return
	}
	l := &w.links[number]
	if l.prev == nobody {
		w.heads[l.slot] = l.next
	} else {
		w.links[l.prev].next = l.next
	}
	if l.next != nobody {
		w.links[l.next].prev = l.prev
	}
	l.slot = nobody
}

// pop takes out a number that is due; nobody if there is none.
func (w *wheel) pop(now time.Duration) int32 {
	current := int64(now / wheelTick)
	w.served = max(w.served, current-wheelSlots) // whatever is set is due after a sleep of a whole turn
	for w.served < current {
		if head := w.heads[(w.served+1)%wheelSlots]; head != nobody {
			w.clear(head)
			return head
		}
		w.served++
	}
	return nobody
}

// wait is how long nobody comes up for sure; below 0: for ever.
func (w *wheel) wait(now time.Duration) time.Duration {
	for tick := w.served + 1; tick < w.served+wheelSlots; tick++ {
		if w.heads[tick%wheelSlots] != nobody {
			return max(time.Duration(tick)*wheelTick-now, 0)
		}
	}
	return -1
}
