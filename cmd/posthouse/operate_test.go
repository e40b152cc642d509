package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"posthouse/mailtest"
)

// call asks the admin API.
func (s *served) call(method, path string) (int, map[string]any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.admin+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		s.t.Fatalf("%s %s: %q: %v", method, path, body, err)
	}
	return response.StatusCode, got
}

// has says whether there was an event of a kind.
func (s *served) has(kind string) bool {
	_, got := s.call("GET", "/api/v1/events?limit=1000&kind="+kind)
	return len(got["events"].([]any)) > 0
}

// reach opens a session and hears its greeting.
func (s *served) reach() *mailtest.Client {
	s.t.Helper()
	c, err := mailtest.Dial(s.t.Context(), s.front, nil, false)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Conn.Close() })
	if _, err := c.Expect("* OK"); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// An operator empties a node, and its mark survives a reload and a restart until it is taken back.
func TestOperate(t *testing.T) {
	s := newServed(t, 2)
	dir := fmt.Sprintf("state_dir: %q\n", t.TempDir())
	s.write(s.topology(2, dir))
	s.start()
	for range 8 {
		s.reach()
	}
	on := func(node string) string { return "/api/v1/sessions?node=" + node }
	total := func(node string) float64 { _, got := s.call("GET", on(node)); return got["total"].(float64) }
	poll(t, "both nodes to have sessions", func() bool { return total("node-1")+total("node-2") == 8 })
	before := total("node-1")
	if status, got := s.call("POST", "/api/v1/nodes/node-1/drain?within=0s&reason=test"); status != 202 {
		t.Fatalf("drain = %d %v", status, got)
	}
	poll(t, "the end of the drain", func() bool { return s.has("drain-ended") })
	_, got := s.call("GET", "/api/v1/drains")
	drain := got["drains"].([]any)[0].(map[string]any)
	if drain["cut"] != before || drain["sessions"] != before || drain["open"] != 0.0 || total("node-1") != 0 {
		t.Errorf("of %v sessions: %v", before, drain)
	}
	onlySecond := func(when string) {
		t.Helper()
		for range 8 {
			if greeting := s.greeting(); !strings.Contains(greeting, "node-2") {
				t.Errorf("%s: greeted %q", when, greeting)
			}
		}
	}
	onlySecond("drained")
	if status, got := s.call("POST", "/api/v1/reload"); status != 200 || got["result"] != "applied" {
		t.Errorf("reload = %d %v", status, got)
	}
	onlySecond("after a reload")
	s.write("nodes: []\n")
	if status, got := s.call("POST", "/api/v1/reload"); status != 409 || !strings.Contains(fmt.Sprint(got["detail"]), "refused") {
		t.Errorf("reload of a bad file = %d %v", status, got)
	}
	if !s.has("reload-refused") {
		t.Error("a refused reload is no event")
	}
	s.write(s.topology(2, dir))
	s.end()
	s.start()
	onlySecond("after a restart")
	if status, got := s.call("POST", "/api/v1/nodes/node-1/resume"); status != 200 || got["state"] != "active" {
		t.Errorf("resume = %d %v", status, got)
	}
	poll(t, "node-1 to get sessions again", func() bool { return strings.Contains(s.greeting(), "node-1") })
}

func TestOperateDeny(t *testing.T) {
	s := newServed(t, 1)
	s.write(s.topology(1, ""))
	s.start()
	c := s.reach()
	if status, got := s.call("POST", "/api/v1/deny?prefix=127.0.0.0/8&kill=true&for=1m"); status != 200 || got["killed"].(float64) < 1 {
		t.Errorf("deny = %d %v", status, got)
	}
	if err := c.End(); err != nil {
		t.Errorf("the session goes on: %v", err)
	}
	if greeting := s.greeting(); strings.Contains(greeting, "node-1") {
		t.Errorf("a denied client was greeted %q", greeting)
	}
	s.call("DELETE", "/api/v1/deny?prefix=127.0.0.0/8")
	if greeting := s.greeting(); !strings.Contains(greeting, "node-1") {
		t.Errorf("after lifting: greeted %q", greeting)
	}
}

// The process ends from the API as it does on SIGTERM.
func TestOperateEnd(t *testing.T) {
	s := newServed(t, 1)
	s.write(s.topology(1, ""))
	s.start()
	c := s.reach()
	if status, got := s.call("POST", "/api/v1/drain?within=1h"); status != 202 {
		t.Fatalf("drain = %d %v", status, got)
	}
	poll(t, "the drain of the process to be listed", func() bool {
		_, got := s.call("GET", "/api/v1/drains")
		rows := fmt.Sprint(got["drains"])
		return strings.Contains(rows, "what:process") && strings.Contains(rows, "state:running") && strings.Contains(rows, "open:1")
	})
	c.Conn.Close()
	if err := <-s.ended; err != nil {
		t.Errorf("serve = %v", err)
	}
	s.stop()
	s.stop = nil
}
