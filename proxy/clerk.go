package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"posthouse/proxy/relay"
)

// clerkPause is how long the end of a session may wait to be written down. A goroutine for each end costs more than a tenth of a short
// session, to wake the thread that runs it; all that end within the pause share one. At 20,000 sessions a second a pause of 5 ms still costs
// each of them a microsecond more. Longer, and who follows the log would see it.
const clerkPause = 20 * time.Millisecond

// clerk concludes the sessions that the relay has ended. The loops of the relay do not wait for a log that is slow.
type clerk struct {
	gathering atomic.Pointer[func()] // writes the lines that wait; nil: none do

	mu     sync.Mutex // guards the following
	ended  []ended
	spare  []ended // to be filled again
	timer  *time.Timer
	called bool // the timer runs, or what it calls
}

type ended struct {
	session *session
	result  relay.Result
	at      time.Time
}

func (c *clerk) add(s *session, r relay.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, ended{s, r, time.Now()})
	switch {
	case c.called:
		return
	case c.timer == nil:
		c.timer = time.AfterFunc(clerkPause, c.write)
	default:
		c.timer.Reset(clerkPause)
	}
	c.called = true
}

func (c *clerk) write() {
	for batch := c.take(); len(batch) > 0; batch = c.take() {
		conclude(batch)
		c.giveBack(batch)
	}
}

func conclude(batch []ended) {
	server := batch[0].session.server
	server.running.Add(1) // the Server is not done before the lines are written
	defer server.running.Done()
	defer server.Gather()()
	for i, e := range batch {
		batch[i] = ended{}
		e.session.conclude(e.result, e.at)
	}
}

func (c *clerk) take() []ended {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.ended
	c.ended, c.spare = c.spare[:0], nil
	c.called = len(batch) > 0
	return batch
}

func (c *clerk) giveBack(batch []ended) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = batch
}

// gather has the lines of requests, of which there may be as many as of sessions, wait for those that come within the pause. A session
// calls it, so that the Server is not done before they are written.
func (c *clerk) gather(server *Server) {
	if c.gathering.Load() != nil {
		return
	}
	write := server.Gather()
	if !c.gathering.CompareAndSwap(nil, &write) {
		write()
		return
	}
	server.running.Add(1)
	time.AfterFunc(clerkPause, func() {
		defer server.running.Done()
		c.gathering.Store(nil)
		write()
	})
}

// panicking writes the lines that wait: they are needed most when the process ends for a defect.
func (c *clerk) panicking() {
	if write := c.gathering.Load(); write != nil {
		(*write)()
	}
}
