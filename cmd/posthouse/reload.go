package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"posthouse/config"
)

// reloader turns each content of the topology file into a topology in effect, or says once why not.
//
// With a state_dir the last content that was accepted is kept there: a start with a file that takes away more than
// max_shrink allows goes on with that one, as a reload would.
type reloader struct {
	path    string
	options config.Options
	log     *slog.Logger
	hangup  <-chan os.Signal // SIGHUP

	known  config.Source // what first read: the watcher tells of what comes after it
	behind bool          // the topology in effect is older than the file's, which was refused or held
	lost   []string      // what the first content was held for, until follow says so
	kept   sync.Once     // remembers what the balancer began with

	mu      sync.Mutex // guards the following
	watcher *config.Watcher
	waiting []chan outcome // of ask
	heard   []chan outcome // of those, who asked before the read that is under way or comes next
}

// outcome is what became of a content.
type outcome struct{ result, why string }

// ask reads the file as SIGHUP does, and returns what became of it. Its error is that of ctx.
func (r *reloader) ask(ctx context.Context) (result, why string, err error) {
	told := make(chan outcome, 1)
	r.mu.Lock()
	r.waiting = append(r.waiting, told)
	watcher := r.watcher
	r.mu.Unlock()
	if watcher != nil {
		watcher.Kick()
	}
	select {
	case o := <-told:
		return o.result, o.why, nil
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
}

// hear takes in those who have asked: what is read from now on is what they ask for.
func (r *reloader) hear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard, r.waiting = append(r.heard, r.waiting...), nil
}

// tell answers those who asked before the content was read. Who asked while it was put into effect may mean a later one.
func (r *reloader) tell(result, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, told := range r.heard {
		told <- outcome{result, why}
	}
	r.heard = nil
}

// first is the topology to start with.
func (r *reloader) first() (*config.Topology, error) {
	source, err := config.Read(r.path)
	if err != nil {
		return nil, err
	}
	r.known = source
	topology, err := config.Parse(source, r.options)
	if err != nil {
		return nil, err
	}
	if old := r.heldBy(topology); old != nil {
		r.behind = true
		logWarnings(r.log, old)
		return old, nil
	}
	logWarnings(r.log, topology)
	if err := canKeep(topology.StateDir); err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	return topology, nil
}

// begin says if what the balancer begins with is not what the file has. If it is, that is remembered, but not before it is in effect:
// the start of a second process ends where the first one listens, and its file must not be what the first one goes by when it starts again.
func (r *reloader) begin(b *balancer) {
	if r.behind {
		logHeld(b.log, r.lost)
		b.metrics.held()
		return
	}
	b.begun = func() { r.kept.Do(func() { r.remember(b, b.Topology(), r.known) }) }
}

// follow applies what the file becomes, until ctx ends.
func (r *reloader) follow(ctx context.Context, b *balancer) error {
	watcher := &config.Watcher{Path: r.path, Log: b.log, Known: r.known, Kicked: r.hear, Failed: func(err error) { r.unreadable(b, err) }}
	r.mu.Lock()
	r.watcher = watcher
	early := len(r.waiting) > 0
	r.mu.Unlock()
	if early { // nobody was there to be asked
		watcher.Kick()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.kick(ctx, watcher)
	}()
	defer func() { <-done }()
	return watcher.Run(ctx, func(s config.Source) { r.reload(b, s) })
}

// kick passes SIGHUP on.
func (r *reloader) kick(ctx context.Context, w *config.Watcher) {
	for {
		select {
		case <-r.hangup:
			w.Kick()
		case <-ctx.Done():
			return
		}
	}
}

// unreadable counts a file that is gone or cannot be read, which the watcher has logged; nil: it can be again, and holds
// what it held before.
func (r *reloader) unreadable(b *balancer, err error) {
	switch {
	case err != nil:
		b.notify.reloading() // whoever has sent SIGHUP waits for the end of it
		defer b.sayReady()
		b.metrics.refused()
		r.tell("refused", err.Error())
	case !r.behind:
		b.metrics.current()
	}
}

// reload puts one content into effect. A content that is refused or held changes nothing.
func (r *reloader) reload(b *balancer, source config.Source) {
	b.notify.reloading()
	defer b.sayReady()
	r.behind = true
	topology, err := config.Parse(source, r.options)
	if err != nil {
		r.refuse(b, err)
		return
	}
	if lost := config.Shrink(b.Topology(), topology); lost != nil {
		why := logHeld(b.log, lost)
		b.metrics.held()
		r.tell("held", why)
		return
	}
	logWarnings(b.log, topology)
	grantProcessors(topology)
	if err := b.Apply(topology); err != nil {
		r.refuse(b, err)
		return
	}
	r.behind = false
	b.log.Info("topology reloaded", "event", "reload-applied", "path", r.path, "nodes", len(topology.Nodes))
	b.metrics.applied()
	r.tell("applied", "")
	r.kept.Do(func() {}) // what it began with is old now
	r.remember(b, topology, source)
}

func (r *reloader) refuse(b *balancer, err error) {
	b.log.Error("reload refused, the topology in effect stays", "event", "reload-refused", "path", r.path, "why", err.Error())
	b.metrics.refused()
	r.tell("refused", err.Error())
}

// logHeld says what a file was held for, and returns it.
func logHeld(log *slog.Logger, lost []string) string {
	all := strings.Join(lost, "; ")
	log.Error("topology held: it takes away more than max_shrink allows; the one in effect stays. "+
		"If this is meant, set max_shrink: 1 in the new file", "event", "reload-held", "lost", all)
	return all
}

// remember keeps a content that is in effect. That it cannot, with a full disk say, is no reason to serve nobody.
func (r *reloader) remember(b *balancer, t *config.Topology, s config.Source) {
	if t.StateDir == "" {
		return
	}
	if err := saveAccepted(t.StateDir, s); err != nil {
		b.log.Error("topology not remembered", "why", err.Error())
	}
}

// heldBy is the topology that was in effect last, if the new one takes away more of it than max_shrink allows.
func (r *reloader) heldBy(topology *config.Topology) *config.Topology {
	if topology.StateDir == "" {
		return nil
	}
	source, err := loadAccepted(topology.StateDir)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			r.log.Warn("state_dir: the last topology cannot be read", "why", err.Error())
		}
		return nil
	}
	options := r.options
	options.Dir = directoryOf(r.path)
	options.Serve = false // a file that it names may be gone: that says nothing about its nodes
	old, err := config.Parse(source, options)
	if err != nil {
		r.log.Warn("state_dir: the last topology is not valid any more", "why", err.Error())
		return nil
	}
	lost := config.Shrink(old, topology)
	if lost == nil {
		return nil
	}
	options.Serve = true
	if old, err = config.Parse(source, options); err != nil {
		r.log.Error("topology takes away more than max_shrink allows, but the one in effect last cannot be served any more: serving the new one after all",
			"lost", strings.Join(lost, "; "), "why", err.Error())
		return nil
	}
	r.lost = lost
	return old
}

// directoryOf is what the relative paths of a topology are relative to.
func directoryOf(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}
