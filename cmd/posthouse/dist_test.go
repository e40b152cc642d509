package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

var metricName = regexp.MustCompile(`posthouse_[a-z_]+`)

// TestDashboardAndAlerts: what they ask for exists, and each panel says what its lines mean.
func TestDashboardAndAlerts(t *testing.T) {
	known := make(map[string]bool)
	for name := range metricNames(t) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			known[name+suffix] = true
		}
	}
	for _, path := range []string{"../../dist/grafana/posthouse.json", "../../dist/prometheus/posthouse.rules.yaml", "../../dist/prometheus/posthouse.rules.test.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen := metricName.FindAllString(string(text), -1)
		for _, name := range seen {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", path, name)
			}
		}
		if len(seen) < 5 {
			t.Errorf("%s names %d metrics, which cannot be all", path, len(seen))
		}
	}
	text, err := os.ReadFile("../../dist/grafana/posthouse.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct{ Type, Title, Description string }
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if p.Type != "row" && !strings.HasSuffix(p.Description, ".") {
			t.Errorf("the panel %q does not say what it shows", p.Title)
		}
	}
}
