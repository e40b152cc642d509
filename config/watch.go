package config

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollInterval is how often the files are looked at without having been told to: some file systems tell nothing
	// (NFS, FUSE), and the directories above are not watched. With quiet it stays below the 2 s in which a change is
	// to be in effect; shorter only costs system calls.
	pollInterval = time.Second

	// glanceDelay gathers a burst of events into one look at the files.
	glanceDelay = 5 * time.Millisecond

	// patience is how long somebody may write without a pause before that is said.
	patience = 10 * time.Second
)

// Watcher says when the content of a topology file or directory has changed. A rename over the file and the swap of a
// symbolic link are atomic and are delivered after some 30 ms; what is written in place, created anew or spread over several
// files of a directory is delivered once all of it has been quiet for 300 ms. A file that is gone or cannot be read is
// said once and delivers nothing until it is back.
type Watcher struct {
	Path  string
	Log   *slog.Logger // nil: says nothing
	Known Source       // what is in effect when Run starts; zero: what Run finds first is a change too

	// Failed is told, from Run's goroutine, why nothing can be read, once for each reason, and nil when something can be
	// again. nil: nobody wants to know.
	Failed func(error)

	// Kicked is told, from Run's goroutine, that a Kick is taken up: what is read after it is the answer to all Kicks before it.
	// nil: nobody wants to know.
	Kicked func()

	once   sync.Once
	kick   chan struct{}
	notify func() (*fsnotify.Watcher, error) // nil: fsnotify.NewWatcher
}

// Kick asks for a read now and has its content delivered even if it is what was delivered last: on SIGHUP the files
// that the topology refers to may be what has changed. What is being written has its quiet time first. Kick never
// blocks, and may be called before Run.
func (w *Watcher) Kick() {
	select {
	case w.kicks() <- struct{}{}:
	default: // one is waiting already
	}
}

func (w *Watcher) kicks() chan struct{} {
	w.once.Do(func() { w.kick = make(chan struct{}, 1) })
	return w.kick
}

// Run watches until ctx ends and then returns nil; its only error is a relative Path in a working directory that is
// gone. It calls changed from its own goroutine, one call after the other, never with the same content twice in a row
// but for Kick. What changes during a call is delivered after it. Without inotify it polls, and says so.
func (w *Watcher) Run(ctx context.Context, changed func(Source)) error {
	path, err := filepath.Abs(w.Path)
	if err != nil {
		return err
	}
	r := &watch{Watcher: w, path: path, log: w.Log, known: w.Known, changed: changed}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	defer r.close()
	r.open()
	r.loop(ctx)
	return nil
}
