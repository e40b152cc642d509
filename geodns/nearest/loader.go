package nearest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"posthouse/config"
)

// look is how often the databases' files are looked at: they change once a week or so. A file that is being written in place is
// read when two looks in a row have found the same.
const look = time.Second

// again is when what could not be made is tried again: the reason may be none of the file's, as "too many open files". More often, and a
// large file of no use costs a second of a processor each time.
const again = time.Minute

// Loader keeps a geography up to date: with the topology, and with the database's file. What was made last stays in effect
// until the next one is ready, and for as long as the next one cannot be made.
type Loader struct {
	// Ready is told, from Run's goroutine, of every topology that a geography stands for: at the start and after Use, when
	// regions or pins have changed after the second or two that reading takes, else at once; and when the database changed.
	Ready   func(*config.Topology, *Geography)
	Metrics *Metrics

	log  *slog.Logger
	wake chan struct{}

	mu     sync.Mutex // guards the following
	wanted *config.Topology
	made   *Geography // by Make, of madeOf; nil: none that Run has not taken
	madeOf source

	// The following is Run's.
	shown   *config.Topology // what Ready was told of
	current *Geography
	of      source // what current was made of
	failed  source // what it could not be made of, as was said
	tried   time.Time
	seen    string // how the files looked at the last look
}

// source is what a geography is made of.
type source struct {
	topology *config.Topology
	files    string // how the databases' files look; "" without any
}

func sourceOf(t *config.Topology) source {
	s := source{topology: t}
	for _, path := range geoip(t) {
		s.files += fmt.Sprintln(path, stampOf(path))
	}
	return s
}

// NewLoader looks whether the databases of a topology can be read at all, so that serve refuses to start without them.
func NewLoader(t *config.Topology, log *slog.Logger) (*Loader, error) {
	for _, path := range geoip(t) { // one after the other: two at a time are twice the memory
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	return &Loader{log: log, wake: make(chan struct{}, 1), wanted: t}, nil
}

// Load makes the first geography before Run, which then never ends with an error.
func (l *Loader) Load() error { return l.load(sourceOf(l.wanted)) }

// Make makes the geography of a topology for Use. Whoever wants to know before whether it can be made does that; any goroutine may, one at a time.
func (l *Loader) Make(t *config.Topology) error {
	of := sourceOf(t)
	g, err := load(t, geoip(t))
	if err == nil {
		l.mu.Lock()
		l.made, l.madeOf = g, of
		l.mu.Unlock()
	}
	return err
}

// Use asks for the geography of another topology. It never blocks.
func (l *Loader) Use(t *config.Topology) {
	l.mu.Lock()
	l.wanted = t
	if l.madeOf.topology != t {
		l.made = nil
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // Run has not taken the last one yet
	}
}

// Run loads until ctx ends. Its only error is that of the first geography: without one no name can be answered.
func (l *Loader) Run(ctx context.Context) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if err := l.step(); err != nil && l.current == nil {
			return fmt.Errorf("dns: geoip: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-ticker.C:
		}
	}
}

// step brings what is in effect to where it should be.
func (l *Loader) step() (err error) {
	l.mu.Lock()
	t := l.wanted
	l.mu.Unlock()
	next := sourceOf(t)
	if l.due(next) {
		err = l.load(next)
	}
	l.seen = next.files
	if l.current != nil && l.current.Fits(t) { // even if there is a newer file, which is broken or still being written
		l.show(t)
	}
	return err
}

// due says whether a source is another one than that in effect, and is worth an attempt.
func (l *Loader) due(next source) bool {
	if l.current == nil {
		return true
	}
	same := next.files == l.of.files && l.current.Fits(next.topology)
	return !same && next.files == l.seen && (next != l.failed || time.Since(l.tried) >= again)
}

func (l *Loader) show(t *config.Topology) {
	if t != l.shown {
		l.shown = t
		l.Ready(t, l.current)
	}
}

func (l *Loader) load(next source) error {
	begun, paths := time.Now(), geoip(next.topology)
	g, of, err := l.geography(next)
	if err != nil {
		said := next == l.failed
		l.failed, l.tried = next, time.Now()
		if l.current != nil && !said {
			l.log.Error("geoip not loaded, the last one stays in effect", "event", "geoip-refused", "path", strings.Join(paths, " "), "why", err.Error())
			l.Metrics.refuse()
		}
		return err
	}
	l.current, l.of, l.failed, l.shown = g, of, source{}, nil
	l.Metrics.load(g, len(paths) > 0)
	if len(paths) > 0 {
		l.log.Info("geoip loaded", "event", "geoip-loaded", "path", strings.Join(paths, " "), "networks", g.Networks(), "orders", g.Orders(),
			"took", time.Since(begun).Round(time.Millisecond))
	}
	return nil
}

// geography is that of a source. A file that was good a moment ago, when Make read it, is good enough where it is not any more.
func (l *Loader) geography(next source) (*Geography, source, error) {
	l.mu.Lock()
	made, of := l.made, l.madeOf
	l.made = nil
	l.mu.Unlock()
	if made != nil && of == next {
		return made, of, nil
	}
	g, err := load(next.topology, geoip(next.topology))
	if err != nil && made != nil && of.topology == next.topology {
		return made, of, nil
	}
	return g, next, err
}

// geoip is the paths of a topology's databases.
func geoip(t *config.Topology) []string {
	if t.DNS == nil {
		return nil
	}
	return t.DNS.GeoIP
}
