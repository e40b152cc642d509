package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// attack is what a node writes of a client that misbehaves, or of one that it could not make sense of.
var attack = regexp.MustCompile(`(?i)error|warning|fail|fatal|improper|lost connection|non-SMTP|too many|reset|broken|timeout|timed out|invalid|bad `)

// plainConnect is what Postfix writes, not as a warning, of a connect to its TLS port that does not speak TLS: four of five
// rounds there are such.
var plainConnect = regexp.MustCompile(`submissions/smtpd\[\d+\]: (SSL_accept error from .*: lost connection|lost connection after CONNECT from .*)$`)

// TestProbes lets the balancer probe all nodes for several rounds, with TLS in one of them, and reads the nodes' logs as
// their operator would: nothing there looks like an attack or a fault.
func TestProbes(t *testing.T) {
	o := begin(t)
	for _, proxy := range []string{"none", "v1", "v2"} {
		t.Run(proxy, func(t *testing.T) {
			before := servers.mark()
			p := serve(t, topology{proxy: proxy})
			eventually(t, 15*time.Second, "all up", func() error { return p.are("up", everybody, services()) })
			rounds := 5 * (len(dovecots)*6 + len(postfixes)*3) // so many services each; TLS is spoken in every fifth round
			eventually(t, 20*time.Second, "probes", func() error {
				if n := before.count(probeSeen); n < rounds {
					return fmt.Errorf("%d probes in the nodes' logs, want %d", n, rounds)
				}
				return nil
			})
			if status, body, err := p.get("/api/v1/nodes"); err != nil || status != 200 {
				t.Error(status, body, err)
			}
			if err := p.are("up", everybody, services()); err != nil {
				t.Error(err)
			}
			before.any(func(line string) bool {
				line = strings.TrimSpace(line)
				if attack.MatchString(line) && !plainConnect.MatchString(line) {
					t.Errorf("a probe left: %s", line)
				}
				return false
			})
		})
	}
	o.fact(t, "five rounds: no warning, no error in the nodes' logs, no lost connection but Postfix's TLS port's")
}

// probeSeen is what nodes write at the end of a probe.
var probeSeen = regexp.MustCompile(`-login: Info: .*no auth attempts|lmtp.*Disconnect from|smtpd.*disconnect from`)

// count is how many lines match.
func (l logs) count(what *regexp.Regexp) (n int) {
	l.any(func(line string) bool {
		if what.MatchString(line) {
			n++
		}
		return false
	})
	return n
}
