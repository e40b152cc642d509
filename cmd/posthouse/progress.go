package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress is a line on a terminal that says how far something is, once it has taken more than a second. Elsewhere it
// says nothing.
type progress struct {
	w      io.Writer // nil: no terminal
	next   time.Time
	shown  bool
	during time.Duration // between two lines
}

func newProgress(w io.Writer) *progress {
	p := &progress{next: time.Now().Add(time.Second), during: 200 * time.Millisecond}
	if terminal(w) {
		p.w = w
	}
	return p
}

// terminal says whether a person reads what is written.
func terminal(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// at replaces the line.
func (p *progress) at(format string, args ...any) {
	if p.w == nil || time.Now().Before(p.next) {
		return
	}
	p.next, p.shown = time.Now().Add(p.during), true
	fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
