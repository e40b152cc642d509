package admin

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Event is something that an operator should hear of.
type Event struct {
	ID      int64          `json:"id"` // grows, also over a restart
	Time    time.Time      `json:"time"`
	Kind    string         `json:"kind"`  // one of those in docs/operations.md
	Level   string         `json:"level"` // INFO, WARN, ERROR
	Message string         `json:"message"`
	Fields  map[string]any `json:"fields,omitempty"`
}

const (
	maxEvents = 1000    // that are kept: some megabytes at worst, and a day of a cluster that has a bad one
	maxField  = 2 << 10 // bytes of a text
)

// Events are the last events, from which lists and streams are served. They are taken from the log: each record that has an
// attribute "event" is one, whose kind that is. So each is said once, in the same words, and who says it need not know.
type Events struct {
	first int64 // the id before that of the first event

	mu   sync.Mutex // guards the following
	kept []Event
	last int64
	more chan struct{} // closed at the next event
}

// NewEvents has none yet.
func NewEvents() *Events {
	now := time.Now().UnixMilli() // fewer than a thousand events come in a second
	return &Events{first: now, last: now, more: make(chan struct{})}
}

// Logger is a log whose events are kept here. Of an event's transcript, which may have many lines, the log says nothing.
func (e *Events) Logger(log *slog.Logger) *slog.Logger {
	return slog.New(&eventHandler{next: log.Handler(), events: e})
}

func (e *Events) add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	event.ID = e.last
	if len(e.kept) == maxEvents {
		e.kept = slices.Delete(e.kept, 0, maxEvents/10) // not one at a time: each would move all
	}
	e.kept = append(e.kept, event)
	close(e.more)
	e.more = make(chan struct{})
}

// After is the events behind an id, oldest first, and a channel that is closed when there are more. An id that is not of this
// series is before them all.
func (e *Events) After(id int64) ([]Event, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id > e.last {
		id = e.first
	}
	i, _ := slices.BinarySearchFunc(e.kept, id+1, func(event Event, id int64) int { return cmp.Compare(event.ID, id) })
	return slices.Clone(e.kept[i:]), e.more
}

// eventHandler passes records on and keeps those that are events.
type eventHandler struct {
	next   slog.Handler
	events *Events
	with   []slog.Attr
}

// Enabled is true for what may be an event, however little is logged.
func (h *eventHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

func (h *eventHandler) Handle(ctx context.Context, r slog.Record) error {
	event := Event{Time: r.Time, Level: r.Level.String(), Message: r.Message}
	logged := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	take := func(a slog.Attr) bool {
		if a.Key == "event" {
			event.Kind = a.Value.String()
			return true
		}
		if event.Fields == nil {
			event.Fields = make(map[string]any)
		}
		event.Fields[a.Key] = plain(a.Value)
		return true
	}
	r.Attrs(take)
	if event.Kind != "" {
		for _, a := range h.with {
			take(a)
		}
		h.events.add(event)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "transcript" {
			logged.AddAttrs(a)
		}
		return true
	})
	return h.next.Handle(ctx, logged)
}

// plain is a value as JSON has it, and bounded.
func plain(v slog.Value) any {
	switch v = v.Resolve(); v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindTime:
		return v.Any()
	}
	text := v.String()
	return text[:min(len(text), maxField)]
}

func (h *eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &eventHandler{h.next.WithAttrs(attrs), h.events, append(slices.Clone(h.with), attrs...)}
}

func (h *eventHandler) WithGroup(name string) slog.Handler {
	return &eventHandler{h.next.WithGroup(name), h.events, h.with}
}
