package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/config"
)

// openssl is `openssl s_client` as a second opinion on TLS; it says ping and leaves when that has come back, and with it all that the server
// had to say before, as session tickets.
func (g *gate) openssl(args ...string) string {
	g.t.Helper()
	return opensslTo(g.t, g.listener.Addr().String(), g.ca.file(g.dir), args...)
}

func opensslTo(t testing.TB, address, ca string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args = append([]string{"s_client", "-connect", address, "-CAfile", ca}, args...)
	cmd := exec.CommandContext(ctx, path, args...)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "ping\n")
	var said strings.Builder
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		said.WriteString(line)
		if strings.TrimSpace(line) == "ping" {
			in.Close()
		}
		if err != nil {
			break
		}
	}
	in.Close()
	cmd.Wait() // its status says nothing about a handshake that was refused on purpose
	return said.String()
}

func TestOpenSSL(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"}, []string{"*.b.example"})
	for _, row := range []struct{ args, want string }{
		{"-servername a.example -verify_hostname a.example", "Verify return code: 0 (ok)"},
		{"-servername x.b.example -verify_hostname x.b.example", "Verify return code: 0 (ok)"},
		{"-noservername", "subject=CN = a.example"},
		{"-servername c.example", "unrecognized name"},
		{"-servername a.example -alpn http/1.1", "ALPN protocol: http/1.1"},
		{"-servername a.example -alpn h2,http/1.1", "ALPN protocol: http/1.1"},
		{"-servername a.example -alpn h2", "no application protocol"},
		{"-servername a.example -alpn imap", "no application protocol"},
		{"-servername a.example", "No ALPN negotiated"},
		{"-servername a.example -tls1_2", "New, TLSv1.2, Cipher is ECDHE-ECDSA"},
		{"-servername a.example -tls1_3", "New, TLSv1.3, Cipher is TLS_"},
		{"-servername a.example -tls1_1 -cipher ALL:@SECLEVEL=0", "protocol version"},
	} {
		said := g.openssl(strings.Fields(row.args)...)
		if !strings.Contains(strings.ReplaceAll(said, "subject=CN=", "subject=CN = "), row.want) {
			t.Errorf("openssl %s: no %q in:\n%s", row.args, row.want, said)
		}
	}
}

func TestOpenSSLResumes(t *testing.T) {
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		g := newGate(t, nil, []string{"a.example"})
		session := filepath.Join(g.dir, "session")
		g.openssl("-servername", "a.example", version, "-sess_out", session)
		g.renew("new", "a.example")
		g.look()
		if said := g.openssl("-servername", "a.example", version, "-sess_in", session); !strings.Contains(said, "Reused, ") {
			t.Errorf("%s: not resumed:\n%s", version, said)
		}
	}
}

// Sessions of other protocols than HTTP, through to a node.
func TestOpenSSLMail(t *testing.T) {
	for _, mode := range []config.TLSMode{config.Terminate, config.Reencrypt} {
		m := newMailRig(t, mode, nil, func(c net.Conn) {
			io.WriteString(c, greeting)
			line, _ := bufio.NewReader(c).ReadString('\n')
			io.WriteString(c, line)
			c.Close()
		})
		address, ca := m.address("imap").String(), m.ca.file(t.TempDir())
		for _, row := range []struct{ args, want string }{
			{"-quiet -verify_quiet -servername mail.example.org", greeting + "ping\n"},
			{"-quiet -verify_quiet -servername mail.example.org -tls1_2", greeting + "ping\n"},
			{"-servername mail.example.org -alpn imap", "ALPN protocol: imap"},
			{"-servername mail.example.org -alpn pop3", "no application protocol"},
			{"-servername other.example.org", "unrecognized name"},
		} {
			if said := opensslTo(t, address, ca, strings.Fields(row.args)...); !strings.Contains(said, row.want) {
				t.Errorf("%s, openssl %s: no %q in:\n%s", mode, row.args, row.want, said)
			}
		}
	}
}

// New keys in the middle of a session, asked for and not (RFC 8446, 4.6.3).
func TestOpenSSLKeyUpdate(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	eachForm(t, func(t *testing.T, f form) {
		m := f.newMailRig(t, config.Terminate, nil, echoing)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, "s_client", "-connect", m.address("imap").String(), "-servername", "mail.example.org")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		cmd.Stderr = cmd.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(out)
		for _, step := range []struct{ say, hear string }{
			{"", strings.TrimSpace(greeting)}, {"before", "before"}, {"k", "KEYUPDATE"}, {"between", "between"}, {"K", "KEYUPDATE"}, {"after", "after"}, {"last", "last"},
		} {
			if step.say != "" {
				io.WriteString(in, step.say+"\n")
			}
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					t.Fatalf("%q: %v", step.say, err)
				}
				if strings.TrimSpace(line) == step.hear {
					break
				}
			}
		}
		in.Close()
		cmd.Wait()
		m.expectEnd("client")
	})
}
