package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// ears are the directories that the kernel tells us about. Files are not watched by themselves: a rename would leave
// the watch on the inode that went.
type ears struct {
	notify *fsnotify.Watcher
	log    *slog.Logger
	lost   chan error // an error since the last one was taken; most often fsnotify.ErrEventOverflow

	running sync.WaitGroup
	heard   map[string]identity // which directory a name was when it was added
	deaf    bool                // it was said that the kernel takes no more
}

func newEars(notify *fsnotify.Watcher, log *slog.Logger) *ears {
	e := &ears{notify: notify, log: log, lost: make(chan error, 1), heard: make(map[string]identity)}
	e.running.Go(e.takeErrors)
	return e
}

// takeErrors never lets an error wait: fsnotify 1.10 sends those of a directory that was moved and deleted with its lock
// held, and every method of it, Close too, waits for that lock.
func (e *ears) takeErrors() {
	for err := range e.notify.Errors {
		select {
		case e.lost <- err:
		default: // one is told already
		}
	}
}

func (e *ears) close() {
	e.notify.Close() // waits for its goroutine, which closes Errors
	e.running.Wait()
}

// turn has exactly those places watched and says whether any of them was not before.
func (e *ears) turn(places []place) bool {
	live := e.notify.WatchList() // the kernel drops what is deleted or moved away
	for path, id := range e.heard {
		if !slices.Contains(places, place{path, id}) {
			e.notify.Remove(path) // an error says that it is gone already
			delete(e.heard, path)
		}
	}
	added := false
	for _, p := range places {
		if _, ok := e.heard[p.path]; ok && slices.Contains(live, p.path) {
			continue
		}
		added = e.add(p) || added
	}
	return added
}

// add watches a place. One that is gone by now is found by the next look, one that cannot be watched by the poll.
func (e *ears) add(p place) bool {
	err := e.notify.Add(p.path)
	if err == nil {
		e.heard[p.path] = p.identity
		return true
	}
	gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
	if !gone && !e.deaf {
		e.deaf = true
		e.log.Warn("directory not watched, polling the topology instead", "path", p.path, "interval", pollInterval, "error", err)
	}
	return false
}
