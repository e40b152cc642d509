package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A finding is what posthouse doctor says of a node.
type finding struct {
	Node, Kind, Says string
	Services         []string
}

// findings are all that posthouse doctor says of a topology.
func findings(t *testing.T, text string) []finding {
	t.Helper()
	path := filepath.Join(t.TempDir(), "topology.yaml")
	issueOnce(t, filepath.Dir(path))
	replace(t, path, text)
	output, err := exec.CommandContext(t.Context(), binary, "doctor", "--config", path, "--json").Output()
	var found struct {
		Probes   int
		Findings []finding
	}
	if json.Unmarshal(output, &found) != nil || found.Probes == 0 {
		t.Fatalf("doctor: %v: %s", err, output)
	}
	return found.Findings
}

// diagnosis is the kinds of findings by node and service.
func diagnosis(t *testing.T, text string) map[string][]string {
	t.Helper()
	return kindsOf(t, findings(t, text))
}

func kindsOf(t *testing.T, found []finding) map[string][]string {
	t.Helper()
	kinds := make(map[string][]string)
	for _, f := range found {
		t.Logf("%s %s: %s: %s", f.Node, strings.Join(f.Services, ","), f.Kind, f.Says)
		for _, s := range f.Services {
			kinds[f.Node+" "+s] = append(kinds[f.Node+" "+s], f.Kind)
		}
	}
	return kinds
}

// servedBy is what a node runs.
func servedBy(node string) []string {
	if node[0] == 'd' {
		return []string{"imap", "imaps", "pop3", "pop3s", "sieve", "lmtp"}
	}
	return []string{"smtp", "submission", "submissions"}
}

// TestDoctor has Dovecot and Postfix examined, first as they are meant to be used and then with each misconfiguration.
func TestDoctor(t *testing.T) {
	o := begin(t)
	for _, proxy := range []string{"none", "v1", "v2"} {
		for node, kinds := range diagnosis(t, topology{proxy: proxy}.String()) {
			t.Errorf("proxy_protocol: %s, all is well, and %s is %s", proxy, node, kinds)
		}
	}
	for _, c := range []struct{ what, text, want string }{
		{"PROXY expected and not sent", strings.ReplaceAll(topology{proxy: "v2"}.String(), "proxy_protocol: v2", "proxy_protocol: none"), "proxy-expected"},
		{"PROXY sent and not expected", strings.ReplaceAll(topology{}.String(), "proxy_protocol: none", "proxy_protocol: v2"), "proxy-not-expected"},
		{"the name is another", strings.ReplaceAll(topology{}.String(), "cluster: "+name, "cluster: other.example"), "certificate-name"},
		{"nobody listens", strings.ReplaceAll(topology{}.String(), "port: 1", "port: 3"), "refused"},
	} {
		kinds := diagnosis(t, c.text)
		for _, node := range everybody {
			for _, service := range servedBy(node) {
				want := c.want
				if want == "certificate-name" && service == "lmtp" { // no client encrypts there
					want = ""
				}
				if got := strings.Join(kinds[node+" "+service], " "); got != want {
					t.Errorf("%s: %s on %s is %q, want %q", c.what, service, node, got, want)
				}
			}
		}
	}
	o.fact(t, "named on every service of every node: PROXY expected, PROXY not expected, certificate name, refused")
}
