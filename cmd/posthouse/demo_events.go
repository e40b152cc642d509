package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// demoEvents prints what happens, a line an event.
type demoEvents struct {
	colour bool

	mu  sync.Mutex // guards the following
	out io.Writer
}

func newDemoEvents(out io.Writer) *demoEvents {
	return &demoEvents{out: out, colour: colourful(out)}
}

// colourful says whether there is a terminal that is to have colours (no-color.org).
func colourful(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// print writes a text as it is.
func (e *demoEvents) print(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	io.WriteString(e.out, text)
}

// say prints an event: when, who, what.
func (e *demoEvents) say(who, format string, args ...any) { e.line("", who, format, args...) }

// bad and good are events that should catch the eye.
func (e *demoEvents) bad(who, format string, args ...any)  { e.line("31", who, format, args...) }
func (e *demoEvents) good(who, format string, args ...any) { e.line("32", who, format, args...) }

func (e *demoEvents) line(colour, who, format string, args ...any) {
	text := fmt.Sprintf("%s %-11s %s", time.Now().Format(time.TimeOnly), who, fmt.Sprintf(format, args...))
	if e.colour && colour != "" {
		text = "\x1b[" + colour + "m" + text + "\x1b[0m"
	}
	e.print(text + "\n")
}

// demoTally is what the built-in clients have seen.
type demoTally struct {
	sessions, failed, elsewhere, cut atomic.Int64
}

func (t *demoTally) String() string {
	return fmt.Sprintf("%d sessions (%d away), %d failed, %d cut",
		t.sessions.Load(), t.elsewhere.Load(), t.failed.Load(), t.cut.Load())
}
