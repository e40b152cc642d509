package proxy

import (
	"sync"
	"time"

	"posthouse/proxy/relay"
)

// clerkPause is how long the end of a session may wait to be written down. A goroutine for each end costs more than a tenth of a short
// session, to wake the thread that runs it; all that end within the pause share one. At 20,000 sessions a second a pause of 5 ms still costs
// each of them a microsecond more. Longer, and who follows the log would see it.
const clerkPause = 20 * time.Millisecond

// clerk concludes the sessions that the relay has ended. The loops of the relay do not wait for a log that is slow.
type clerk struct {
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
		batch[0].session.server.Together(func() {
			for i, e := range batch {
				batch[i] = ended{}
				e.session.conclude(e.result, e.at)
			}
		})
		c.giveBack(batch)
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
