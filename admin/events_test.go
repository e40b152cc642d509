package admin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// kinds are the kinds of the events so far.
func (o *operated) kinds() string {
	all, _ := o.Events.After(0)
	var kinds []string
	for _, e := range all {
		kinds = append(kinds, e.Kind)
	}
	return strings.Join(kinds, " ")
}

func TestEventsAreTakenFromTheLog(t *testing.T) {
	var text strings.Builder
	events := NewEvents()
	log := events.Logger(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn}))).With("balancer", "eu")
	log.Info("nothing much", "node", "a")
	log.Info("node up", "event", "node-up", "node", "a")
	log.Warn("node down", "event", "node-down", "node", "b", "transcript", "C: x\nS: y", "took", time.Second, "tries", 3)
	log.Debug("no event", "event", "debug")
	all, _ := events.After(0)
	if len(all) != 2 || all[0].Kind != "node-up" || all[1].Kind != "node-down" || all[1].ID != all[0].ID+1 {
		t.Fatalf("events %+v", all)
	}
	if got := fmt.Sprint(all[1].Fields); got != "map[balancer:eu node:b took:1s transcript:C: x\nS: y tries:3]" {
		t.Errorf("fields %s", got)
	}
	if got := text.String(); strings.Contains(got, "node up") || strings.Contains(got, "transcript") || !strings.Contains(got, "event=node-down node=b") {
		t.Errorf("log %s", got)
	}
}

func TestEventsAreBounded(t *testing.T) {
	events := NewEvents()
	for i := range 3*maxEvents + 1 {
		events.add(Event{Kind: fmt.Sprint(i)})
	}
	all, _ := events.After(0)
	if len(all) > maxEvents || len(all) < maxEvents*9/10 || all[len(all)-1].Kind != fmt.Sprint(3*maxEvents) {
		t.Errorf("%d are kept, the last one is %+v", len(all), all[len(all)-1])
	}
	if some, _ := events.After(all[len(all)-3].ID); len(some) != 2 {
		t.Errorf("behind the last but two are %d", len(some))
	}
	for id := int64(1); id < 1<<62; id <<= 1 {
		if some, _ := events.After(id); len(some) != len(all) {
			t.Errorf("behind %d, an id of another run, are %d, want all", id, len(some))
		}
	}
}

// stream opens a stream of events and returns its lines.
func (o *operated) stream(t *testing.T, last string) *bufio.Scanner {
	t.Helper()
	c, err := net.Dial("unix", o.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: %s\r\n\r\n", last)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%v, %v", response, err)
	}
	return bufio.NewScanner(response.Body)
}

// next is the kind of the next event of a stream, and its id.
func next(t *testing.T, lines *bufio.Scanner) (kind, id string) {
	t.Helper()
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			id = value
		}
		if value, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kind = value
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e Event
			if err := json.Unmarshal([]byte(data), &e); err != nil || e.Kind != kind || fmt.Sprint(e.ID) != id {
				t.Errorf("event %s %s has data %s", id, kind, data)
			}
			return kind, id
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return
}

func TestEventStream(t *testing.T) {
	o := operate(t, topology)
	o.Log.Info("one", "event", "one")
	o.Log.Info("two", "event", "two")
	lines := o.stream(t, "")
	_, id := next(t, lines)
	if kind, _ := next(t, lines); kind != "two" {
		t.Errorf("second event %s", kind)
	}
	o.Log.Info("three", "event", "three")
	if kind, _ := next(t, lines); kind != "three" {
		t.Errorf("live event %s", kind)
	}
	again := o.stream(t, id)
	if kind, _ := next(t, again); kind != "two" {
		t.Errorf("after the first comes %s", kind)
	}
	_, got := o.call(t, "GET /api/v1/events?kind=two")
	if list := got["events"].([]any); len(list) != 1 {
		t.Errorf("events of a kind: %v", list)
	}
	if _, got = o.call(t, "GET /api/v1/events?limit=1"); !strings.Contains(fmt.Sprint(got), "three") || strings.Contains(fmt.Sprint(got), "two") {
		t.Errorf("the last event: %v", got)
	}
}
