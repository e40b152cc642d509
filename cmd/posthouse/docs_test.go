package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
)

// metricNames are the metrics of ours that a balancer registers.
func metricNames(t *testing.T) map[string]bool {
	t.Helper()
	text := "cluster: mail.example.org\nnodes: [{name: node-1, address: 127.0.0.1}]\n"
	topology, err := config.Parse(config.Source{Path: "t.yaml", Files: []config.File{{Name: "t.yaml", Data: []byte(text)}}}, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc, 1000)
	newBalancer(topology, slog.New(slog.DiscardHandler)).registry.Describe(descriptions)
	close(descriptions)
	names := make(map[string]bool)
	for d := range descriptions {
		_, rest, _ := strings.Cut(d.String(), `fqName: "`)
		if name, _, _ := strings.Cut(rest, `"`); strings.HasPrefix(name, "posthouse_") {
			names[name] = true
		}
	}
	if len(names) < 15 {
		t.Errorf("looked at %d metrics, which cannot be all", len(names))
	}
	return names
}

// TestMetricsAreDocumented: every metric of ours has its line in docs/operations.md.
func TestMetricsAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range metricNames(t) {
		if !strings.Contains(string(docs), "`"+name+"`") {
			t.Errorf("%s is not in docs/operations.md", name)
		}
	}
}

var saidKind = regexp.MustCompile(`"event", "([^"]+)"`)

// TestEventsAreDocumented: every kind of event that the program says has its place in docs/operations.md.
func TestEventsAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("*.go")
	seen := 0
	for _, file := range append(files, more...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range saidKind.FindAllSubmatch(source, -1) {
			seen++
			if !strings.Contains(string(docs), "`"+string(match[1])+"`") {
				t.Errorf("%s: the event %s is not in docs/operations.md", file, match[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("looked at %d events, which cannot be all", seen)
	}
}
