package e2e

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"
)

// outcomes is what each test did, for the table at the end.
var outcomes struct {
	mu  sync.Mutex
	all []*outcome
}

type outcome struct {
	name   string
	result string
	took   time.Duration
	facts  []string // figures worth a line
}

// begin opens every test: it skips where the servers cannot run, and notes the outcome for the summary.
func begin(t *testing.T) *outcome {
	t.Helper()
	o := &outcome{name: t.Name()}
	outcomes.mu.Lock()
	outcomes.all = append(outcomes.all, o)
	outcomes.mu.Unlock()
	began := time.Now()
	t.Cleanup(func() {
		o.took = time.Since(began)
		switch {
		case t.Skipped():
			o.result = "skip"
		case t.Failed():
			o.result = "FAIL"
		default:
			o.result = "ok"
		}
	})
	if notHere != "" {
		t.Skip(notHere)
	}
	return o
}

// fact notes a figure for the summary and the test's own log. Of a test that has failed its figures prove nothing.
func (o *outcome) fact(t *testing.T, format string, args ...any) {
	t.Helper()
	if t.Failed() {
		return
	}
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	o.facts = append(o.facts, line)
}

func summary(w io.Writer, took time.Duration) {
	fmt.Fprintln(w, "\ne2e summary")
	if notHere != "" {
		fmt.Fprintf(w, "  all skipped: %s\n", notHere)
		return
	}
	for _, o := range outcomes.all {
		fmt.Fprintf(w, "  %-4s %-32s %6.1f s\n", o.result, o.name, o.took.Seconds())
		for _, line := range o.facts {
			fmt.Fprintf(w, "       %s\n", line)
		}
	}
	fmt.Fprintf(w, "  in all %43.1f s\n", took.Seconds())
}
