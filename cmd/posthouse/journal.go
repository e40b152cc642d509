package main

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// journal is where the log goes. What is written together goes out in one write: for a line of each short session by itself, the call
// costs as much as what it says.
//
// Nobody waits for ever for whoever takes the log, which may be a pipe that nobody empties or a terminal that is stopped: mail goes on
// without it.
type journal struct {
	to       io.Writer
	patience time.Duration // how long anybody waits for a line to be written; 0: as long as it takes
	lost     atomic.Int64  // lines that found no room, of which nothing has been said yet

	mu      sync.Mutex // guards the following
	writers int        // that gather
	page    *page      // what waits; nil: nothing does
	due     bool       // the page is to be written
	writing *page      // what is written now
	stuck   bool       // longer than anybody waits
	spare   []byte     // to be filled again
}

// page is lines that are written together.
type page struct {
	text    []byte
	written chan struct{} // closed when they are
}

const (
	pageSize = 32 << 10 // how many bytes wait at most for what is written together
	pageMost = 1 << 20  // and for a log that nobody takes

	logPatience = 250 * time.Millisecond // more than a write takes on a busy machine, and little for a client to wait
)

// Write is called with whole lines. The order of lines is that of the calls. Where nobody gathers they are written when it returns, unless
// the log is stuck.
func (j *journal) Write(lines []byte) (int, error) {
	j.await(j.put(lines))
	return len(lines), nil
}

// put returns what to wait for.
func (j *journal) put(lines []byte) *page {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.page == nil {
		j.page = &page{text: j.spare, written: make(chan struct{})}
		j.spare = nil
	}
	if len(j.page.text)+len(lines) > pageMost {
		j.lost.Add(int64(bytes.Count(lines, []byte("\n"))))
		return nil
	}
	j.page.text = append(j.page.text, lines...)
	if j.writers > 0 && len(j.page.text) < pageSize {
		return nil
	}
	return j.turn()
}

// gather begins what writes many lines at once. They are written when all who gather have called what it returns.
func (j *journal) gather() (write func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writers++
	return j.part
}

func (j *journal) part() {
	j.mu.Lock()
	j.writers--
	var turned *page
	if j.writers == 0 {
		turned = j.turn()
	}
	j.mu.Unlock()
	j.await(turned)
}

// flush writes the lines that wait.
func (j *journal) flush() {
	j.mu.Lock()
	turned := j.turn()
	j.mu.Unlock()
	j.await(turned)
}

// turn has the page written, and returns what to wait for. The caller holds mu.
func (j *journal) turn() *page {
	last := j.writing
	if j.page != nil {
		last, j.due = j.page, true
		if j.writing == nil {
			j.take()
			go j.write()
		}
	}
	if j.stuck {
		return nil
	}
	return last
}

// take begins to write the page. The caller holds mu.
func (j *journal) take() {
	j.writing, j.stuck = nil, false
	if j.due {
		j.writing, j.page, j.due = j.page, nil, false
	}
}

// write writes pages as long as there are any. Like slog, it has nobody to tell that a line could not be written.
func (j *journal) write() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.writing != nil {
		now := j.writing
		j.mu.Unlock()
		j.to.Write(now.text)
		close(now.written)
		j.mu.Lock()
		if cap(now.text) <= 2*pageSize {
			j.spare = now.text[:0]
		}
		j.take()
	}
}

// await waits for a page to be written, but not for ever. Who comes while it is stuck does not wait at all.
func (j *journal) await(p *page) {
	if p == nil {
		return
	}
	if j.patience == 0 {
		<-p.written
		return
	}
	impatient := time.NewTimer(j.patience)
	defer impatient.Stop()
	select {
	case <-p.written:
		return
	case <-impatient.C:
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case <-p.written:
	default:
		j.stuck = true
	}
}

// missed is how many lines were lost until now, when there is room again to say so.
func (j *journal) missed() int64 {
	if j.lost.Load() == 0 {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.page != nil && len(j.page.text) > pageMost/2 {
		return 0
	}
	return j.lost.Swap(0)
}
