package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRules lets Prometheus's own tool check the alert rules, run their tests, and parse what the dashboard asks for.
func TestRules(t *testing.T) {
	o := begin(t)
	if noRules != "" {
		t.Skip(noRules)
	}
	const rules = "../dist/prometheus/"
	promtool(t, "check", "rules", rules+"posthouse.rules.yaml")
	promtool(t, "test", "rules", rules+"posthouse.rules.test.yaml")
	asked := queries(t)
	promtool(t, "check", "rules", recordings(t, asked))
	o.fact(t, "alert rules pass their tests; %d queries of the dashboard parse", len(asked))
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// queries are those of the dashboard's panels and annotations, with its variables filled in as Grafana would.
func queries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../dist/grafana/posthouse.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels      []struct{ Targets []struct{ Expr string } }
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	var all []string
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$service", ".*")
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all = append(all, fill.Replace(target.Expr))
		}
	}
	for _, a := range board.Annotations.List {
		all = append(all, fill.Replace(a.Expr))
	}
	if len(all) < 10 {
		t.Fatalf("the dashboard has %d queries", len(all))
	}
	return all
}

// recordings is a file of rules that record each query: the form in which promtool parses them.
func recordings(t *testing.T, queries []string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, q := range queries {
		fmt.Fprintf(&b, "      - {record: 'dashboard:query:%d', expr: %q}\n", i, q)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
