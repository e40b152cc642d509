package main

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

// TestAskedDuringAReload asks while an older content is put into effect: that one's fate is no answer.
func TestAskedDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reloader{}
		var asking sync.WaitGroup
		defer asking.Wait()
		ask := func() *string {
			got := new(string)
			asking.Go(func() { *got, _, _ = r.ask(t.Context()) })
			synctest.Wait()
			return got
		}
		before := ask()
		r.hear() // the read begins here
		during := ask()
		r.tell("applied", "")
		synctest.Wait()
		if *before != "applied" || *during != "" {
			t.Errorf("after the first content: %q to who asked before it, %q to who asked during it; want applied and nothing yet", *before, *during)
		}
		r.hear()
		r.tell("refused", "why")
		synctest.Wait()
		if *during != "refused" {
			t.Errorf("after the second content: %q, want refused", *during)
		}
	})
}

// TestAskedBeforeTheFileIsFollowed asks at the first moment of a start.
func TestAskedBeforeTheFileIsFollowed(t *testing.T) {
	s := newServed(t, 1)
	s.write(s.topology(1, ""))
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	r := &reloader{path: s.path, options: config.Options{Serve: true}, log: log}
	topology, err := r.first()
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result, _, _ := r.ask(ctx)
		told <- result
	}()
	poll(t, "the question", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.waiting) == 1
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, newBalancer(topology, log), r) }()
	poll(t, "the answer", func() bool { return len(told) == 1 })
	if got := <-told; got != "applied" {
		t.Errorf("told %q, want applied", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
