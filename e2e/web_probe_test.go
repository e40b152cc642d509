package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWebProbes lets some rounds of probes go by: they must leave nothing in the nodes' error logs, and no request in the
// others that names a client.
func TestWebProbes(t *testing.T) {
	const rounds = 3
	o := beginWeb(t)
	for _, mode := range []string{"terminate", "reencrypt"} {
		for _, proxy := range []string{"", "v2"} {
			y := webTopology{tls: mode, proxy: proxy, rest: true}
			errorLogs, before := errorLog(t), servers.mark()
			p := serveWeb(t, y)
			requests := 0
			eventually(t, patience, "rounds of probes", func() error {
				requests = 0
				before.any(func(line string) bool { requests += strings.Count(line, "real_rip="+source); return false })
				if requests < rounds*len(apaches) {
					return fmt.Errorf("%d requests", requests)
				}
				return nil
			})
			if said := bytes.TrimPrefix(errorLog(t), errorLogs); len(said) > 0 {
				t.Errorf("tls: %s, proxy_protocol: %q: probes leave in the error log\n%s", mode, proxy, said)
			}
			if before.any(func(line string) bool {
				return !strings.Contains(line, "rip="+source+" ") || !strings.Contains(line, "xff=- ")
			}) {
				t.Errorf("tls: %s, proxy_protocol: %q: a probe names a client", mode, proxy)
			}
			p.finish(t)
		}
	}
	o.fact(t, "%d rounds in 4 ways: nothing in the nodes' error logs", rounds)
}

// errorLog is what the first Apache has complained of.
func errorLog(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(servers.dir, apaches[0], "error.log"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
