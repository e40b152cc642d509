package main

import (
	"io"
	"sync"
)

// journal is where the log goes. What is written together goes out in one write: for a line of each short session by itself, the call
// costs as much as what it says.
type journal struct {
	to io.Writer

	mu      sync.Mutex // guards the following
	writers int        // that gather
	page    []byte
}

// pageSize is how many bytes wait at most for what is written together.
const pageSize = 32 << 10

// Write is called with whole lines. The order of lines is that of the calls.
func (j *journal) Write(lines []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.page)+len(lines) > pageSize {
		j.turn()
	}
	if j.writers == 0 {
		return j.to.Write(lines)
	}
	j.page = append(j.page, lines...)
	return len(lines), nil
}

// gather begins what writes many lines at once. They are written when all who gather have called what it returns.
func (j *journal) gather() (write func()) {
	j.count(1)
	return j.part
}

func (j *journal) part() { j.count(-1) }

// flush writes the lines that wait.
func (j *journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.turn()
}

func (j *journal) count(writers int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writers += writers
	if j.writers == 0 {
		j.turn()
	}
}

// turn writes the page. Like slog, it has nobody to tell that a line could not be written.
func (j *journal) turn() {
	if len(j.page) > 0 {
		j.to.Write(j.page)
		j.page = j.page[:0]
	}
}
