package healthcheck

import (
	"container/heap"
	"hash/fnv"
	"time"
)

// queue holds what is to be done, earliest first: one heap and one timer for everything, because a ticker for each of
// thousands of nodes costs more than the probes. The times stand in the heap itself: looked for behind pointers they
// were a twentieth of all that probing costs.
type queue struct {
	slots []slot
	base  time.Time // what slots count from
}

type slot struct {
	due time.Duration // since base
	*entry
}

// entry is embedded in what waits in a queue. The zero value waits nowhere.
type entry struct {
	due   time.Time
	index int // in the heap, from 1; 0: not queued
	probe *probe
	host  *host
}

// schedule puts an entry into the queue, or moves it.
func (q *queue) schedule(e *entry, due time.Time) {
	if len(q.slots) == 0 {
		q.base = due
	}
	e.due = due
	if e.index == 0 {
		heap.Push(q, e)
		return
	}
	q.slots[e.index-1].due = due.Sub(q.base)
	heap.Fix(q, e.index-1)
}

func (q *queue) remove(e *entry) {
	if e.index > 0 {
		heap.Remove(q, e.index-1)
	}
}

// first is the earliest entry, or nil.
func (q *queue) first() *entry {
	if len(q.slots) == 0 {
		return nil
	}
	return q.slots[0].entry
}

func (q *queue) Len() int           { return len(q.slots) }
func (q *queue) Less(i, j int) bool { return q.slots[i].due < q.slots[j].due }

func (q *queue) Swap(i, j int) {
	q.slots[i], q.slots[j] = q.slots[j], q.slots[i]
	q.slots[i].index, q.slots[j].index = i+1, j+1
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	q.slots = append(q.slots, slot{e.due.Sub(q.base), e})
	e.index = len(q.slots)
}

func (q *queue) Pop() any {
	last := len(q.slots) - 1
	e := q.slots[last].entry
	q.slots[last], q.slots = slot{}, q.slots[:last]
	e.index = 0
	return e
}

// phase is where in an interval something is due, from 0 up to 1: the same for the same name, evenly spread over many.
func phase(name string) float64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	x := h.Sum64() // similar names differ in the low bits of it only; mix them upwards
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return float64(x>>11) / (1 << 53)
}

// following is the first time after `began` plus half an interval that is in phase: a round that was late, early
// (the first one) or asked for in between does not shift the later ones, and they stay spread.
func following(start, began time.Time, interval time.Duration, phase float64) time.Time {
	anchor := start.Add(time.Duration(phase * float64(interval)))
	passed := began.Add(interval / 2).Sub(anchor)
	rounds := passed / interval
	if passed > rounds*interval {
		rounds++
	}
	return anchor.Add(rounds * interval)
}
