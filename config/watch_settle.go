package config

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long what is written in place must rest before it counts as complete. Shorter, and a slow writer
	// is read half way; longer delays every change made with a plain editor.
	quiet = 300 * time.Millisecond

	// settle is how long a swap must rest. It has to be longer than a tick of the kernel's clock (10 ms at most):
	// only then does any later write show in the times of the file, so that equal stamps before and after a read
	// mean an undisturbed read.
	settle = 25 * time.Millisecond
)

// pending is a change that was seen and not read yet. The zero value is: none.
type pending struct {
	due   time.Time // when it may be read
	since time.Time // when it began
	said  bool      // that it takes long
}

// note has a change at now be waited for. A swap replaces everything, so it also ends the wait for what was written
// before it.
func (p *pending) note(now time.Time, swap bool) {
	if p.due.IsZero() {
		p.since = now
	}
	p.due = now.Add(quiet)
	if swap {
		p.due = now.Add(settle)
	}
}

// hasten has a read at now, unless a change must be waited for.
func (p *pending) hasten(now time.Time) {
	if p.due.IsZero() {
		p.due, p.since = now, now
	}
}

func (p *pending) ready(now time.Time) bool { return !p.due.IsZero() && !now.Before(p.due) }

// tiresome is true once for a change that has not settled for long.
func (p *pending) tiresome(now time.Time) bool {
	if p.due.IsZero() || p.said || now.Sub(p.since) < patience {
		return false
	}
	p.said = true
	return true
}

// arrival is the newest name of ours that came into a watched directory since the last look and was not written to.
type arrival struct {
	path  string
	moved bool   // by a rename inside that directory, as most programs replace a file
	left  string // any name that went just before; that is how a rename starts
}

// follow takes an event, of a name of ours or not. The two halves of a rename follow each other, since the kernel holds the directory's lock over
// both (inotify(7) allows events in between: they cost the quiet time, no more).
func (a *arrival) follow(e fsnotify.Event, ours bool) {
	switch {
	case e.Has(fsnotify.Create):
		if ours {
			a.moved = a.left != "" && a.left != e.Name && filepath.Dir(a.left) == filepath.Dir(e.Name)
			a.path = e.Name
		}
		a.left = ""
	case e.Has(fsnotify.Rename):
		a.left = e.Name
	case e.Has(fsnotify.Remove):
		a.left = ""
	case e.Has(fsnotify.Write) && e.Name == a.path:
		*a = arrival{}
	}
}

// swapped says whether v replaced all of old in one atomic step, so that it is complete: by a rename over the one file,
// or by the swap of a symbolic link that all files are reached through. Files of a directory that are replaced one by
// one are no swap, and neither is anything of which that is not known.
func (v view) swapped(old view, a arrival) bool {
	if !v.root.relinked(old.root) && !slices.EqualFunc(v.files, old.files, file.sameName) {
		return false
	}
	for i, f := range v.files {
		empty := f.end.size == 0 // truncated, or created and not written yet, or gone
		if empty || !v.relinked(i, old) && (v.directory || !f.replaced(old.root, a)) {
			return false
		}
	}
	return true
}

// relinked says whether file i is another one than before because another link leads to it. A link that is a file of
// the directory itself does not count: there may be more to come.
func (v view) relinked(i int, old view) bool {
	f := v.files[i]
	if i < len(old.files) && f.sameName(old.files[i]) {
		was := old.files[i]
		return f.relinked(was) && (f.end.path != was.end.path || f.end.identity != was.end.identity)
	}
	return f.relinked(old.root)
}

// relinked says whether f is reached by a link that is not among those of old and came after f was written; what is
// written after the swap is not complete by it.
func (f file) relinked(old file) bool {
	return slices.ContainsFunc(f.links, func(l stamp) bool {
		known := func(o stamp) bool { return o.identity == l.identity && o.target == l.target }
		return l.ctime >= f.end.mtime && !slices.ContainsFunc(old.links, known)
	})
}

// replaced says whether f is another inode than old and was moved here after it was written, rather than created here:
// the arrival was the second half of a rename, or the inode changed (its name) later than its content.
func (f file) replaced(old file, a arrival) bool {
	return f.end.identity != old.end.identity && f.end.path == a.path && (a.moved || f.end.ctime > f.end.mtime)
}
