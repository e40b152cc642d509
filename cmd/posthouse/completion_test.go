package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, errors bytes.Buffer
	if code := run(args, console{&out, &errors}); code != exitFine {
		t.Fatalf("posthouse %q = %d: %s", args, code, errors.String())
	}
	return out.String()
}

// TestBashCompletes has bash itself complete lines.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	script := filepath.Join(t.TempDir(), "posthouse")
	if err := os.WriteFile(script, []byte(printed(t, "completion", "bash")), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{"posthouse ex", "explain"},
		{"posthouse d", "demo deny dns doctor drain"},
		{"posthouse drain n", "node"},
		{"posthouse drain --w", "--within"},
		{"posthouse import ", "--help haproxy stalwart"},
		{"posthouse import stalwart --t", "--token-file"},
		{"posthouse init --model ", "dedicated geographic paired unified weighted"},
		{"posthouse init --model paired --n", "--nodes"},
		{"posthouse serve --log-format j", "json"},
		{"posthouse completion f", "fish"},
		{"posthouse check --sc", "--schema"},
		{"posthouse check top", ""}, // a file, by bash itself
	} {
		words := strings.Split(c.line, " ")
		ask := fmt.Sprintf("source %q; COMP_WORDS=(%s); COMP_CWORD=%d; _posthouse; printf '%%s\\n' \"${COMPREPLY[@]}\"",
			script, "'"+strings.Join(words, "' '")+"'", len(words)-1)
		out, err := exec.CommandContext(t.Context(), bash, "--norc", "-c", ask).CombinedOutput()
		got := strings.Fields(string(out))
		slices.Sort(got)
		if strings.Join(got, " ") != c.want || err != nil {
			t.Errorf("%q completes to %q, %v, want %s", c.line, got, err, c.want)
		}
	}
}

// The scripts of the others name every command; their shells are not everywhere.
func TestOtherCompletions(t *testing.T) {
	for shell, lines := range map[string][]string{
		"zsh":  {"#compdef posthouse", "bashcompinit", "_posthouse() {"},
		"fish": {"-a explain -d ", "'__fish_seen_subcommand_from import; and not __fish_seen_subcommand_from stalwart haproxy' -f -a haproxy", "-l model -d ", "-x -a 'unified dedicated weighted paired geographic'"},
	} {
		got := printed(t, "completion", shell)
		for _, line := range lines {
			if !strings.Contains(got, line) {
				t.Errorf("the script for %s has no %q:\n%s", shell, line, got)
			}
		}
	}
	if got := fishQuoted(`it's \ here`); got != `'it\'s \\ here'` {
		t.Errorf("fishQuoted = %s", got)
	}
}

// TestManualIsInStep: docs/posthouse.1 says what --help says.
func TestManualIsInStep(t *testing.T) {
	t.Setenv("POSTHOUSE_ADMIN", "")
	page, err := os.ReadFile("../../docs/posthouse.1")
	if err != nil {
		t.Fatal(err)
	}
	if got := printed(t, "man"); got != string(page) {
		t.Error("docs/posthouse.1 is behind what --help says: run make man")
	}
}

func TestManualIsReadable(t *testing.T) {
	page := printed(t, "man")
	for _, want := range []string{".SS posthouse import stalwart\n", ".B \\-\\-within=10m\n", "($POSTHOUSE_TOKEN_FILE)", "Example: posthouse deny"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff")
	}
	cmd := exec.CommandContext(t.Context(), groff, "-man", "-ww", "-Tascii", "-z")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v: %s", err, out)
	}
}
