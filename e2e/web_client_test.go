package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A webVisit is one run of an HTTP client: to where, as whom.
type webVisit struct {
	base string // https://127.0.2.1:8443
	user string
	dir  string // for its files
}

// beginWeb is begin for tests with web servers.
func beginWeb(t *testing.T) *outcome {
	t.Helper()
	o := begin(t)
	if noWeb != "" {
		t.Skip(noWeb)
	}
	return o
}

// beginNPM is beginWeb for tests that are nothing without clients from npm.
func beginNPM(t *testing.T) *outcome {
	t.Helper()
	o := beginWeb(t)
	if noNPM != "" {
		t.Skip(noNPM)
	}
	return o
}

// modules is where the install step puts what npm has; the script servers says the same.
const modules = "/usr/local/lib/posthouse-e2e/npm/node_modules"

// nodeScript is a program of clients/ where it finds its modules: Node.js looks beside the program itself.
func nodeScript(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join("clients", script))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, script), data, 0o644)
	}
	if err = errors.Join(err, os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, script)
}

// node runs a program of clients/ to its end; its result is what it prints.
func node(t *testing.T, script string) func(webVisit) (string, error) {
	path := nodeScript(t, script)
	return func(v webVisit) (string, error) {
		return command("", "env", "NODE_EXTRA_CA_CERTS="+servers.ca(), "node", path, v.base, v.user)
	}
}

// pythonCalDAV runs clients/caldav.py.
func pythonCalDAV(v webVisit) (string, error) {
	return command("", "/usr/bin/python3", "clients/caldav.py", v.base, v.user, servers.ca())
}

// litmusTest is a line of litmus with its verdict, litmusSum one at the end of a suite.
var (
	litmusTest = regexp.MustCompile(`(?m)^ *\d+\. [a-z0-9_]+\.*.*$`)
	litmusSum  = regexp.MustCompile("summary for `([a-z]+)': of (\\d+) tests run: (\\d+) passed, (\\d+) failed")
)

// litmus is the verdict on every single test, then that on each suite. It fails when a suite does.
func litmus(v webVisit) (string, error) {
	run := exec.Command("litmus", "--keep-going", v.base+"/dav/"+v.user+"/", v.user, "secret")
	run.Dir = v.dir // for its traces
	out, err := run.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	// It goes back to the beginning of a line to overwrite it.
	text := strings.ReplaceAll(string(out), "\r", "\n")
	all := litmusTest.FindAllString(text, -1)
	sums := litmusSum.FindAllStringSubmatch(text, -1)
	if len(sums) != 5 {
		return "", fmt.Errorf("litmus ran %d suites of 5:\n%s", len(sums), text)
	}
	for _, sum := range sums {
		all = append(all, fmt.Sprintf("%s %s/%s", sum[1], sum[3], sum[2]))
		if sum[4] != "0" {
			err = errors.Join(err, fmt.Errorf("litmus %s: %s failed:\n%s", sum[1], sum[4], text))
		}
	}
	return strings.Join(all, "\n"), err
}

// curlHTTP runs curl, which trusts our CA and nothing else, and gives the answer's body and what -w asks for.
func curlHTTP(args ...string) (string, error) {
	always := []string{"-sS", "--max-time", "25", "--globoff", "--cacert", servers.ca(), "--user", "u1:secret"}
	return command("", "curl", append(always, args...)...)
}
