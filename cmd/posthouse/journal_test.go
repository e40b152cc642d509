package main

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// writes remembers each write by itself.
type writes []string

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

// TestJournalGather: what is gathered is one write, behind what came before it and before what comes after.
func TestJournalGather(t *testing.T) {
	var w writes
	j := &journal{to: &w}
	fmt.Fprintln(j, "before")
	write := j.gather()
	fmt.Fprintln(j, "one")
	inner := j.gather()
	fmt.Fprintln(j, "two")
	inner()
	fmt.Fprintln(j, "three")
	write()
	fmt.Fprintln(j, "after")
	want := []string{"before\n", "one\ntwo\nthree\n", "after\n"}
	if got := fmt.Sprintf("%q", w); got != fmt.Sprintf("%q", want) {
		t.Errorf("writes are %s, want %q", got, want)
	}
}

// TestJournalWarning: a warning and what was said before it are written at once, whoever gathers lines, slog's as well as ours.
func TestJournalWarning(t *testing.T) {
	for _, odd := range []any{1, struct{}{}} {
		var w writes
		j := &journal{to: &w}
		log := slog.New(newLines(j, false, slog.LevelInfo))
		write := j.gather()
		log.Info("one")
		if len(w) != 0 {
			t.Errorf("at once there is %q", w)
		}
		log.Warn("two", "odd", odd)
		log.Info("three")
		if len(w) != 1 || strings.Count(w[0], "\n") != 2 || !strings.Contains(w[0], "msg=two") {
			t.Errorf("with the warning there is %q", w)
		}
		if write(); len(w) != 2 || !strings.Contains(w[1], "msg=three") {
			t.Errorf("in the end there is %q", w)
		}
	}
}

// TestJournalFull: lines of many writers are whole, and no page is larger than it may be.
func TestJournalFull(t *testing.T) {
	const writers, each = 8, 2000
	var w writes
	j := &journal{to: &w}
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			defer j.gather()()
			for i := range each {
				fmt.Fprintf(j, "writer=%d line=%d\n", n, i)
			}
		})
	}
	all.Wait()
	next := make([]int, writers)
	for _, page := range w {
		if len(page) > pageSize {
			t.Errorf("a page has %d bytes", len(page))
		}
		for line := range strings.Lines(page) {
			var n, i int
			if _, err := fmt.Sscanf(line, "writer=%d line=%d\n", &n, &i); err != nil || i != next[n] {
				t.Fatalf("line %q: %v, want number %d", line, err, next[n])
			}
			next[n]++
		}
	}
	for n, got := range next {
		if got != each {
			t.Errorf("writer %d has %d lines of %d", n, got, each)
		}
	}
}
