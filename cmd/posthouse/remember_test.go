package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

func tableOf(t *testing.T, text string, health map[config.Target]config.Health) *routing.Table {
	t.Helper()
	topology, err := config.Parse(config.Source{Path: "t.yaml", Files: []config.File{{Name: "t.yaml", Data: []byte(text)}}}, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return routing.NewTable(topology, routing.State{Health: health})
}

func TestRemember(t *testing.T) {
	text := "cluster: mail.example.org\nstate_dir: " + t.TempDir() + `
nodes:
  - {name: down, address: 10.0.0.1, services: [imaps]}
  - {name: up, address: 10.0.0.2, services: [imaps]}
  - {name: failing, address: 10.0.0.3, services: [imaps]}
  - {name: recovering, address: 10.0.0.4, services: [imaps]}
  - {name: unknown, address: 10.0.0.5, services: [imaps]}
  - {name: moved, address: 10.0.0.6, services: [imaps]}
  - {name: gone, address: 10.0.0.7, services: [imaps]}
`
	now := time.Now()
	health := make(map[config.Target]config.Health)
	for name, state := range map[string]config.HealthState{
		"down": config.Down, "up": config.Up, "failing": config.Failing, "recovering": config.Recovering, "moved": config.Down, "gone": config.Down,
	} {
		health[config.Target{Node: name, Service: "imaps"}] = config.Health{State: state, Since: now.Add(-time.Hour), Recovered: now.Add(-time.Minute), Reason: "why", Greeting: time.Second}
	}
	if err := saveHealth(tableOf(t, text, health), now); err != nil {
		t.Fatal(err)
	}
	next := tableOf(t, strings.Replace(strings.Replace(text, "10.0.0.6", "10.0.1.6", 1), "name: gone", "name: new", 1), nil)
	known, err := recall(next, now.Add(rememberFor))
	if err != nil || len(known) != 4 {
		t.Fatalf("recalled %v, %v", known, err)
	}
	for name, want := range map[string]config.HealthState{"down": config.Down, "up": config.Up, "failing": config.Up, "recovering": config.Down} {
		h := known[config.Target{Node: name, Service: "imaps"}]
		if h.State != want || !h.Since.Equal(now.Add(-time.Hour)) || h.Greeting != time.Second || h.Reason != "why" {
			t.Errorf("%s is recalled as %+v, want state %v", name, h, want)
		}
		for _, at := range []time.Time{h.Since, h.Recovered} {
			if wall := at.Round(0); at == wall { // as documented, Round(0) is for the wall clock alone
				t.Errorf("%s: %v moves when the clock is set", name, at)
			}
		}
	}
	for _, when := range []time.Time{now.Add(rememberFor + 1), now.Add(-time.Second)} {
		if known, err := recall(next, when); len(known) > 0 || err != nil {
			t.Errorf("at %v: %v, %v", when, known, err)
		}
	}
}

func TestRecallOfRubbish(t *testing.T) {
	dir := t.TempDir()
	table := tableOf(t, "cluster: mail.example.org\nstate_dir: "+dir+"\nnodes: [{name: a, address: 10.0.0.1}]\n", nil)
	if known, err := recall(table, time.Now()); known != nil || err != nil {
		t.Errorf("without a file: %v, %v", known, err)
	}
	if err := os.WriteFile(filepath.Join(dir, healthFile), []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := recall(table, time.Now()); err == nil {
		t.Error("rubbish is no error")
	}
}

// TestRecallOfAnotherVersion: a state that we do not have is not known, and says nothing of the others.
func TestRecallOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	table := tableOf(t, "cluster: mail.example.org\nstate_dir: "+dir+"\nnodes: [{name: \"n[1-2]\", address: 10.0.0.1+, services: [smtp]}]\n", nil)
	now := time.Now()
	text := `{"Saved": ` + now.Format(`"`+time.RFC3339Nano+`"`) + `, "Targets": [
		{"Node": "n1", "Service": "smtp", "At": ["10.0.0.1:25"], "Health": {"State": 5}},
		{"Node": "n2", "Service": "smtp", "At": ["10.0.0.2:25"], "Health": {"State": 3}}]}`
	if err := os.WriteFile(filepath.Join(dir, healthFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := recall(table, now)
	if err != nil || len(known) != 1 || known[config.Target{Node: "n2", Service: "smtp"}].State != config.Down {
		t.Errorf("recalled %v, %v, want n2 alone", known, err)
	}
}

// A restart sends nobody to a node that was down.
func TestRestartKnowsWhoIsDown(t *testing.T) {
	s := newServed(t, 2)
	text := s.topology(2, "state_dir: "+t.TempDir()+"\n")
	s.write(text)
	s.start()
	s.nodes[0].Kill()
	down := func() bool { return s.metric(`posthouse_nodes{region="default",service="imap",state="down"}`) == "1" }
	poll(t, "the dead node to be down", down)
	s.end()
	topology, err := config.Load(s.path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	known, err := recall(routing.NewTable(topology, routing.State{}), time.Now())
	if h := known[config.Target{Node: "node-1", Service: "imap"}]; err != nil || h.State != config.Down {
		t.Errorf("recalled %v, %v", known, err)
	}
	s.write(strings.Replace(text, "interval: 100ms", "interval: 1h", 1)) // too late to find it out again
	s.start()
	poll(t, "the dead node to be down again", down)
	if errors := s.metric(`posthouse_session_errors_total{service="imap",stage="connect"}`); errors != "0" {
		t.Errorf("%s sessions met the dead node", errors)
	}
}
