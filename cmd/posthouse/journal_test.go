package main

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

// TestJournalFull: lines of many writers are whole, and no page is larger than it may be, by a line of each.
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
		if len(page) > pageSize+writers*len("writer=0 line=0000\n") {
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

// dam takes nothing until it is opened.
type dam struct {
	open chan struct{}
	strings.Builder
}

func (d *dam) Write(b []byte) (int, error) {
	<-d.open
	return d.Builder.Write(b)
}

// TestJournalStuck: who writes to a log that nobody takes waits once and not for long. What found no room is counted, and said when
// there is room again; what found some is there, in order.
func TestJournalStuck(t *testing.T) {
	for _, json := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := &dam{open: make(chan struct{})}
			j := &journal{to: d, patience: logPatience}
			log := slog.New(newLines(j, json, slog.LevelInfo))
			began := time.Now()
			const lines = 3 * pageMost / 100
			for i := range lines {
				log.Log(t.Context(), slog.LevelInfo+slog.Level(4*(i%2)), "line", "number", i, "long", strings.Repeat("x", 100))
			}
			write := j.gather()
			log.Info("lost too")
			write()
			j.flush()
			if waited := time.Since(began); waited != logPatience {
				t.Errorf("it was waited %s, want %s once", waited, logPatience)
			}
			close(d.open)
			synctest.Wait()
			began = time.Now()
			log.Info("goes on")
			if waited := time.Since(began); waited != 0 {
				t.Errorf("after the stop it was waited %s", waited)
			}
			all := strings.Split(strings.TrimSpace(d.String()), "\n")
			if last := all[len(all)-1]; !strings.Contains(last, "goes on") {
				t.Errorf("the last line is %s", last)
			}
			kept := len(all) - 2
			if says := all[kept]; kept < pageMost/300 || !strings.Contains(says, "lost") || !strings.Contains(says, fmt.Sprint(lines+1-kept)) {
				t.Errorf("of %d lines %d are there, and it says %s", lines+1, kept, says)
			}
			for i, line := range all[:kept] {
				if !strings.Contains(line, "line") || !strings.Contains(strings.ReplaceAll(line, `"number":`, "number="), fmt.Sprintf("number=%d", i)) {
					t.Fatalf("line %d is %s", i, line)
				}
			}
		})
	}
}

// TestJournalSlow: a log that is taken, but slowly, loses nothing.
func TestJournalSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w strings.Builder
		j := &journal{to: slowly{&w}, patience: logPatience}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 200 {
					fmt.Fprintln(j, "a line")
				}
			})
		}
		all.Wait()
		time.Sleep(10 * logPatience)
		synctest.Wait()
		if n := strings.Count(w.String(), "a line\n"); n != 1600 || j.missed() != 0 {
			t.Errorf("%d lines of 1600 are there", n)
		}
	})
}

type slowly struct{ *strings.Builder }

func (s slowly) Write(b []byte) (int, error) {
	time.Sleep(2 * logPatience)
	return s.Builder.Write(b)
}
