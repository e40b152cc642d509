package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxStreams  = 64               // of events at a time: status pages that were forgotten in a tab must not add up
	streamAlive = 15 * time.Second // between signs of life: proxies and browsers give a silent stream up after a minute or so
)

// listEvents answers with events, oldest first, or with a stream of them to who accepts one.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		s.streamEvents(w, r)
		return
	}
	q := asked(r)
	after, limit, kind := q.number("after", 0, 1<<62), q.limit(), q.word("kind")
	if q.refused(w) {
		return
	}
	all, _ := s.Events.After(after)
	if kind != "" {
		all = slices.DeleteFunc(all, func(e Event) bool { return e.Kind != kind })
	}
	answer(w, r, map[string]any{"events": all[max(len(all)-int(limit), 0):]})
}

// streamEvents sends events as they happen (HTML, 9.2): first those behind Last-Event-ID, or all that are kept.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		problem(w, http.StatusServiceUnavailable, "too many streams of events are open")
		return
	}
	defer s.streams.Add(-1)
	s.init()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	stream := &eventStream{w: w, control: http.NewResponseController(w)}
	stream.control.SetReadDeadline(time.Time{})
	fmt.Sscan(r.Header.Get("Last-Event-ID"), &stream.last) // what is no number is 0: all
	alive := time.NewTicker(streamAlive)
	defer alive.Stop()
	for {
		events, more := s.Events.After(stream.last)
		if stream.send(events) != nil {
			return
		}
		select {
		case <-more:
		case <-alive.C:
		case <-r.Context().Done():
			return
		case <-s.life.Done():
			return
		}
	}
}

type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    int64
}

// send writes events, or a comment if there are none.
func (s *eventStream) send(events []Event) error {
	if len(events) == 0 {
		fmt.Fprint(s.w, ":\n\n")
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.w, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data)
		s.last = e.ID
	}
	return s.control.Flush()
}
