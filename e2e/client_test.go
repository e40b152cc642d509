package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A visit is one run of a client program: to where, from where, as whom.
type visit struct {
	host   string // the balancer, or a node
	port   int
	source string // where it connects from, if the program can be told
	user   string
	ca     string
	dir    string // for its files
}

// Ways to be encrypted.
const (
	plain    = "plain"
	starttls = "starttls"
	implicit = "implicit"
)

// command is a program's standard output and error; an error shows both.
func command(stdin, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, tail(string(out), 3000))
	}
	return string(out), nil
}

// curl lists the mailboxes over IMAP, the messages over POP3, or sends a mail to the sink.
func curl(scheme, tls string, more ...string) func(visit) error {
	if tls == implicit {
		scheme += "s"
	}
	return func(v visit) error {
		args := []string{"-sS", "--max-time", "20", "--interface", v.source, "--cacert", v.ca, "--user", v.user + ":secret"}
		if tls == starttls {
			args = append(args, "--ssl-reqd")
		}
		args = append(args, fmt.Sprintf("%s://%s:%d/", scheme, v.host, v.port))
		out, err := command("Subject: from curl\r\n\r\n.text\r\n", "curl", append(args, more...)...)
		if err == nil && strings.HasPrefix(scheme, "imap") && !strings.Contains(out, "INBOX") {
			err = fmt.Errorf("curl lists no INBOX: %q", out)
		}
		return err
	}
}

// swaks sends a mail.
func swaks(tls, to string, more ...string) func(visit) error {
	return func(v visit) error {
		args := append(swaksTo(v, tls), "--from", v.user+"@example.test", "--to", strings.ReplaceAll(to, "USER", v.user))
		_, err := command("", "swaks", append(args, more...)...)
		return err
	}
}

// swaksTo is the part of swaks' arguments that says where to and how.
func swaksTo(v visit, tls string) []string {
	args := []string{"--server", v.host, "--port", strconv.Itoa(v.port), "--local-interface", v.source,
		"--helo", "client.example.test", "--timeout", "20"}
	switch tls {
	case starttls:
		args = append(args, "--tls", "--tls-verify", "--tls-ca-path", v.ca)
	case implicit:
		args = append(args, "--tls-on-connect", "--tls-verify", "--tls-ca-path", v.ca)
	}
	return args
}

var authenticated = []string{"--auth", "PLAIN", "--auth-password", "secret", "--auth-user"}

func swaksAuth(tls string) func(visit) error {
	return func(v visit) error { return swaks(tls, sink, append(authenticated, v.user)...)(v) }
}

// sink is where Postfix makes mail vanish.
const sink = "sink@discard.test"

// smtpSource sends some mails over a few connections at once.
func smtpSource(v visit) error {
	_, err := command("", "/usr/sbin/smtp-source", "-s", "4", "-m", "20", "-l", "3000", "-f", "a@example.test", "-t", sink,
		fmt.Sprintf("inet:%s:%d", v.host, v.port))
	return err
}

// python runs clients/session.py.
func python(protocol, tls string) func(visit) error {
	return func(v visit) error {
		_, err := command("", "python3", "clients/session.py", protocol, tls, v.host, strconv.Itoa(v.port), v.source, v.user, v.ca)
		return err
	}
}

// perlSieve runs clients/sieve.pl.
func perlSieve(tls string) func(visit) error {
	return func(v visit) error {
		_, err := command("", "perl", "clients/sieve.pl", tls, v.host, strconv.Itoa(v.port), v.source, v.user, v.ca)
		return err
	}
}

// sieveConnect uploads a script and lists it; it takes STARTTLS wherever it is offered.
func sieveConnect(v visit) error {
	script := filepath.Join(v.dir, "script.sieve")
	if err := os.WriteFile(script, []byte("keep;\n"), 0o644); err != nil {
		return err
	}
	args := []string{"--server", v.host, "--port", strconv.Itoa(v.port), "--user", v.user, "--passwordfd", "0", "--tlscafile", v.ca}
	if _, err := command("secret\n", "sieve-connect", append(args, "--localsieve", script, "--remotesieve", "mine", "--upload")...); err != nil {
		return err
	}
	out, err := command("secret\n", "sieve-connect", append(args, "--list")...)
	if err == nil && !strings.Contains(out, "mine") {
		err = fmt.Errorf("sieve-connect lists no script: %q", out)
	}
	return err
}

// mbsync copies a mailbox of one message, which IMAP put there, into a Maildir.
func mbsync(tls string) func(visit) error {
	return func(v visit) error {
		store := filepath.Join(v.dir, "maildir")
		if err := os.MkdirAll(store, 0o755); err != nil {
			return err
		}
		rc := filepath.Join(v.dir, "mbsyncrc")
		if err := os.WriteFile(rc, []byte(mbsyncrc(v, tls, store)), 0o644); err != nil {
			return err
		}
		if _, err := command("", "mbsync", "-c", rc, "-a"); err != nil {
			return err
		}
		found, err := filepath.Glob(filepath.Join(store, "INBOX", "*", "*,U=*"))
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("mbsync fetched nothing into %s", store)
		}
		return err
	}
}

func mbsyncrc(v visit, tls, store string) string {
	ssl := map[string]string{plain: "None", starttls: "STARTTLS", implicit: "IMAPS"}[tls]
	return fmt.Sprintf(`IMAPAccount a
Host %s
Port %d
User %s
Pass secret
AuthMechs PLAIN
SSLType %s
SystemCertificates no
CertificateFile %s

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
SyncState *
`, v.host, v.port, v.user, ssl, filepath.Join(filepath.Dir(v.ca), "bundle.pem"), store, store)
}

// newVisit gives each client of a test a user and a source address of its own: that is how its lines are found in logs.
func newVisit(t *testing.T, host, service string, n int) visit {
	t.Helper()
	return visit{host: host, port: ports[service], source: fmt.Sprintf("127.0.9.%d", n), user: fmt.Sprintf("u%d", n),
		ca: servers.ca(), dir: t.TempDir()}
}
