package main

import (
	"fmt"
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

// TestJournalTogether: what is written together is one write, behind what came before it and before what comes after.
func TestJournalTogether(t *testing.T) {
	var w writes
	j := &journal{to: &w}
	fmt.Fprintln(j, "before")
	j.together(func() {
		fmt.Fprintln(j, "one")
		j.together(func() { fmt.Fprintln(j, "two") })
		fmt.Fprintln(j, "three")
	})
	fmt.Fprintln(j, "after")
	want := []string{"before\n", "one\ntwo\nthree\n", "after\n"}
	if got := fmt.Sprintf("%q", w); got != fmt.Sprintf("%q", want) {
		t.Errorf("writes are %s, want %q", got, want)
	}
}

// TestJournalPanic: the lines before a panic are those that are needed most.
func TestJournalPanic(t *testing.T) {
	var w writes
	j := &journal{to: &w}
	func() {
		defer func() { recover() }()
		j.together(func() {
			fmt.Fprintln(j, "last words")
			panic("a defect")
		})
	}()
	if len(w) != 1 || w[0] != "last words\n" {
		t.Errorf("writes are %q", w)
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
			j.together(func() {
				for i := range each {
					fmt.Fprintf(j, "writer=%d line=%d\n", n, i)
				}
			})
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
