package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestPlanExitCodes: over a budget is 2, an answer within it 0, a file that is not there 1.
func TestPlanExitCodes(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte("cluster: mail.example.org\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old := write("old.yaml", "nodes: [{name: \"a-[1-4]\", address: 10.0.0.1+}]\n")
	next := write("next.yaml", "nodes: [{name: \"a-[1-3]\", address: 10.0.0.1+}]\n")
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"plan", old, next}, exitFine},
		{[]string{"plan", old, next, "--budget", "25"}, exitFine},
		{[]string{"plan", old, next, "--budget", "24.9"}, exitUsage},
		{[]string{"plan", old, next, "--budget", "24.9", "--json"}, exitUsage},
		{[]string{"plan", next, old, "--budget", "0"}, exitFine},
		{[]string{"plan", old, old + ".none"}, exitNo},
		{[]string{"plan", old}, exitUsage},
	} {
		if got := run(c.args, console{new(bytes.Buffer), new(bytes.Buffer)}); got != c.want {
			t.Errorf("posthouse %q = %d, want %d", c.args, got, c.want)
		}
	}
}
