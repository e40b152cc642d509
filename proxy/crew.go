package proxy

import (
	"sync"
	"sync/atomic"
)

// crew is the goroutines of sessions. Who has done one piece of work waits for the next one, because its stack has grown: a handshake
// needs several times what a new goroutine has, and to grow a stack step by step was a twentieth of what a handshake cost.
type crew struct {
	next    chan func()
	over    chan struct{} // closed: nobody waits any more
	waiting atomic.Int32
	all     sync.WaitGroup
}

// mostWaiting bounds what the grown stacks of those who wait take: half a MiB.
const mostWaiting = 32

func newCrew() *crew { return &crew{next: make(chan func()), over: make(chan struct{})} }

// do begins a piece of work at once.
func (c *crew) do(work func()) {
	select {
	case c.next <- work:
	default:
		c.all.Go(func() { c.serve(work) })
	}
}

func (c *crew) serve(work func()) {
	for work != nil {
		work()
		work = c.wait()
	}
}

// wait is for the next piece of work; nil: enough others wait, or there will be none.
func (c *crew) wait() (work func()) {
	defer c.waiting.Add(-1)
	if c.waiting.Add(1) > mostWaiting {
		return nil
	}
	select {
	case work = <-c.next:
	case <-c.over:
	}
	return work
}

// dismiss waits until all are gone. No work may begin after it.
func (c *crew) dismiss() {
	close(c.over)
	c.all.Wait()
}
