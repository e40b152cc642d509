package config

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watching is a Watcher that runs until the test ends, and what it has delivered.
type watching struct {
	*Watcher
	t         *testing.T
	log       *bytes.Buffer // guarded by mu
	delivered chan Source

	mu sync.Mutex
}

// Write is the log's.
func (w *watching) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// said counts the lines of the log that have text in them.
func (w *watching) said(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.log.String(), text)
}

func watchPath(t *testing.T, path string, prepare ...func(*Watcher)) *watching {
	t.Helper()
	w := &watching{t: t, log: new(bytes.Buffer), delivered: make(chan Source, 10000)}
	w.Watcher = &Watcher{Path: path, Log: slog.New(slog.NewTextHandler(w, nil))}
	for _, p := range prepare {
		p(w.Watcher)
	}
	run(t, w.Watcher, func(s Source) { w.delivered <- s })
	return w
}

// run has a Watcher run until the test ends.
func run(t *testing.T, w *Watcher, changed func(Source)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx, changed) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

// deaf has a Watcher without inotify.
func deaf(w *Watcher) {
	w.notify = func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") }
}

// wants expects a delivery with that content of all files together, and says so if it was another.
func (w *watching) wants(content string) {
	w.t.Helper()
	select {
	case s := <-w.delivered:
		if got := text(s); got != content {
			w.t.Fatalf("delivered %q, want %q", got, content)
		}
	case <-time.After(10 * time.Second):
		w.t.Fatalf("nothing delivered, want %q", content)
	}
}

// wantsNoMore expects that what was delivered is all, seen by the answer to a Kick.
func (w *watching) wantsNoMore(content string) {
	w.t.Helper()
	w.Kick()
	w.wants(content)
	select {
	case s := <-w.delivered:
		w.t.Fatalf("delivered %q, want no more", text(s))
	default:
	}
}

func text(s Source) string {
	var all []byte
	for _, f := range s.Files {
		all = append(all, f.Data...)
	}
	return string(all)
}

// eventually polls until ok, for 10 s at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after 10 s: %s", what)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// must fails the test for the error of a file operation.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// replace writes a file beside path and renames it over path.
func replace(t *testing.T, path, content string) {
	t.Helper()
	write(t, path+".tmp", content)
	must(t, os.Rename(path+".tmp", path))
}
