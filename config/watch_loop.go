package config

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watch is one Run.
type watch struct {
	*Watcher
	path    string // absolute
	log     *slog.Logger
	changed func(Source)

	ears    *ears // nil: no inotify
	events  <-chan fsnotify.Event
	losses  <-chan error
	seen    view    // as of the last look
	arrived arrival // since the last look
	pending pending // what was seen to change, or written, and is not read yet

	glance time.Time // when to look because of an event; zero: no event
	poll   time.Time // when to look anyway

	known  Source // what was delivered last
	failed string // the error of the last read
	forced bool   // by Kick
}

func (r *watch) open() {
	start := r.notify
	if start == nil {
		start = fsnotify.NewWatcher
	}
	notify, err := start()
	if err != nil {
		r.log.Warn("no file notifications, polling the topology instead", "interval", pollInterval, "error", err)
		return
	}
	r.ears = newEars(notify, r.log)
	r.events, r.losses = notify.Events, r.ears.lost
}

func (r *watch) close() {
	if r.ears != nil {
		r.ears.close()
	}
}

func (r *watch) loop(ctx context.Context) {
	r.look()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-r.events:
			r.event(e)
		case err := <-r.losses:
			r.lost(err)
		case <-r.kicks():
			r.force()
		case <-timer.C:
		}
		r.step()
		timer.Reset(time.Until(r.next()))
	}
}

// event takes note. A write asks for the quiet time whatever the stamps of the file will say: they are as coarse as
// the kernel's clock tick.
func (r *watch) event(e fsnotify.Event) {
	e.Name = filepath.Clean(e.Name) // below / it starts with two slashes
	ours := r.seen.concerns(e.Name)
	r.arrived.follow(e, ours)
	if !ours {
		return
	}
	now := time.Now()
	if e.Has(fsnotify.Write) {
		r.pending.note(now, false)
	}
	if r.glance.IsZero() {
		r.glance = now.Add(glanceDelay)
	}
}

// lost reads again, since nobody knows what the events were.
func (r *watch) lost(err error) {
	r.log.Debug("file notifications lost", "error", err)
	now := time.Now()
	r.pending.note(now, false)
	r.glance = now
}

func (r *watch) force() {
	if r.Kicked != nil {
		r.Kicked()
	}
	r.forced = true
	r.pending.hasten(time.Now())
}

// step does whatever is due.
func (r *watch) step() {
	now := time.Now()
	if !now.Before(r.poll) {
		r.poll, r.glance = now.Add(pollInterval), now
		if r.failed != "" { // the reason may be none that a stamp shows, as "too many open files"
			r.pending.hasten(now)
		}
	}
	if !r.glance.IsZero() && !now.Before(r.glance) {
		r.look()
	}
	if r.pending.ready(now) {
		r.drain()
		r.look()
	}
	if r.pending.ready(now) {
		r.read()
	}
	if r.pending.tiresome(now) {
		r.log.Warn("topology is written to without a pause, waiting", "path", r.Path, "pause", quiet)
	}
}

func (r *watch) next() time.Time {
	next := r.poll
	for _, t := range []time.Time{r.glance, r.pending.due} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

// drain takes the events that wait, so that a write already told of is not overlooked when a read is due.
func (r *watch) drain() {
	for {
		select {
		case e := <-r.events:
			r.event(e)
		default:
			return
		}
	}
}

// look compares what is there with what was seen before.
func (r *watch) look() {
	v := survey(r.path)
	for range 3 { // what happened before a directory was watched is only seen by looking again
		if r.ears == nil || !r.ears.turn(v.places) {
			break
		}
		v = survey(r.path)
	}
	if !v.equal(r.seen) {
		r.pending.note(time.Now(), v.swapped(r.seen, r.arrived))
	}
	r.seen, r.arrived, r.glance = v, arrival{}, time.Time{}
}

// read delivers the content, unless it changed meanwhile: then it may be neither the old nor the new.
func (r *watch) read() {
	due := r.pending.due
	s, err := Read(r.Path)
	if r.look(); !r.pending.due.Equal(due) {
		return
	}
	forced := r.forced
	r.pending, r.forced = pending{}, false
	if err != nil {
		r.fail(err, forced)
		return
	}
	if r.failed != "" {
		r.failed = ""
		r.log.Info("topology can be read again", "path", r.Path)
		r.tell(nil)
	}
	if forced || !r.known.Equal(s) {
		r.known = s
		r.changed(s)
	}
}

func (r *watch) fail(err error, forced bool) {
	if reason := err.Error(); forced || reason != r.failed {
		r.failed = reason
		r.log.Warn("topology cannot be read, the one in effect stays", "path", r.Path, "error", reason)
		r.tell(err)
	}
}

func (r *watch) tell(err error) {
	if r.Failed != nil {
		r.Failed(err)
	}
}
