package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestWebCertificate replaces the certificate's files under live connections: new clients see the new one, the old
// connections live on. Files that are no certificate change nothing.
func TestWebCertificate(t *testing.T) {
	const clients = 20
	o := beginWeb(t)
	y := webTopology{}
	p := serveWeb(t, y)
	dir := filepath.Dir(p.path)
	l := keepAlive(t, y, clients, 50*time.Millisecond)
	requireSubject(t, y, front)
	var took time.Duration
	for n := range 2 {
		subject := fmt.Sprintf("the %d. certificate", n+1)
		issue(t, dir, "front", subject)
		began := time.Now()
		eventually(t, 10*time.Second, "the new certificate", func() error { return hasSubject(y, subject) })
		took = max(took, time.Since(began))
	}
	replace(t, filepath.Join(dir, "front.crt"), "no certificate\n")
	eventually(t, 10*time.Second, "a record of it", func() error {
		if !strings.Contains(p.logged(), "front.crt") {
			return fmt.Errorf("the log does not name front.crt")
		}
		return nil
	})
	requireSubject(t, y, "the 2. certificate")
	issue(t, dir, "front", "the last")
	eventually(t, 10*time.Second, "the last certificate", func() error { return hasSubject(y, "the last") })
	l.after(t, 2*clients)
	answered, err := l.leave()
	if err != nil {
		t.Errorf("after %d answers: %v", answered, err)
	}
	if got, _ := p.metric(`posthouse_reloads_total{result="applied"}`); got != 0 {
		t.Errorf("%v reloads of the topology, want none", got)
	}
	o.fact(t, "3 new certificates, seen after %v at most; %d connections with %d requests lived on", took.Round(10*time.Millisecond), clients, answered)
}

var subjectLine = regexp.MustCompile(`(?m)^Subject:.*CN ?= ?(.*)$`)

// hasSubject is nil if curl is shown the certificate with that subject.
func hasSubject(y webTopology, want string) error {
	out, err := curlHTTP("--output", "/dev/null", "--write-out", "%{certs}", y.base()+"/jmap/")
	if err != nil {
		return err
	}
	if got := subjectLine.FindStringSubmatch(out); got == nil || got[1] != want {
		return fmt.Errorf("subject %q, want %q", got, want)
	}
	return nil
}

func requireSubject(t *testing.T, y webTopology, want string) {
	t.Helper()
	if err := hasSubject(y, want); err != nil {
		t.Error(err)
	}
}

// TestWebHandshake is what openssl is told in a TLS handshake: which protocol, and which alert where there is nothing to agree on.
func TestWebHandshake(t *testing.T) {
	beginWeb(t)
	for _, mode := range []string{"terminate", "reencrypt"} {
		t.Run(mode, func(t *testing.T) {
			serveWeb(t, webTopology{tls: mode})
			rows := []struct{ args, want string }{
				{"-servername " + name, "No ALPN negotiated"},
				{"-noservername", "subject=CN = " + front},
				{"-servername " + name + " -alpn h2,http/1.1", "ALPN protocol: http/1.1"},
				{"-servername " + name + " -alpn imap", "alert no application protocol"},
				{"-servername unknown.example -alpn http/1.1", "alert number 112"}, // unrecognized_name
				{"-servername " + name + " -tls1_1 -cipher DEFAULT@SECLEVEL=0", "alert protocol version"},
				{"-servername " + name + " -tls1_2", "Protocol  : TLSv1.2"},
			}
			for _, row := range rows {
				out := openssl("s_client -connect " + front + ":8443 -CAfile " + servers.ca() + " " + row.args)
				if !strings.Contains(out, row.want) {
					t.Errorf("openssl s_client %s: no %q in\n%s", row.args, row.want, out)
				}
			}
		})
	}
}

// openssl is what openssl says when its standard input is empty. It fails where we want it to.
func openssl(args string) string {
	out, _ := command("", "openssl", strings.Fields(args)...)
	return out
}

// TestWebChallenge is a certificate authority that asks for acme-tls/1 (RFC 8737): the node answers, with its own TLS.
func TestWebChallenge(t *testing.T) {
	beginWeb(t)
	node := exec.Command("openssl", "s_server", "-accept", "127.0.1.10:8443", "-cert", filepath.Join(servers.dir, "tls", "c1.crt"),
		"-key", filepath.Join(servers.dir, "tls", "c1.key"), "-alpn", "acme-tls/1", "-quiet")
	startWithTest(t, node)
	t.Cleanup(func() { node.Process.Kill(); node.Wait() })
	y := webTopology{tls: "reencrypt", nodes: "  - {name: n1, address: 127.0.1.10, services: [http]}\n", rest: true}
	serve(t, y)
	eventually(t, patience, "the node's answer", func() error {
		out := openssl("s_client -connect " + front + ":8443 -servername " + name + " -alpn acme-tls/1")
		for _, want := range []string{"ALPN protocol: acme-tls/1", "subject=CN = c1.example.test"} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("no %q in\n%s", want, out)
			}
		}
		return nil
	})
	out := openssl("s_client -connect " + front + ":8443 -servername " + name + " -alpn http/1.1")
	if !strings.Contains(out, "subject=CN = "+front) {
		t.Errorf("another client is shown\n%s", out)
	}
}
