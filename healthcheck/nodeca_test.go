package healthcheck

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/mailtest"
)

func newCA(t *testing.T) *mailtest.CA {
	t.Helper()
	ca, err := mailtest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// writeCA puts an authority's certificate into a file as certbot does: by renaming.
func writeCA(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func tlsNode(t *testing.T, settings *tls.Config) *node {
	return startNode(t, func(c net.Conn) error { return handshakeOnly(c, settings) })
}

// TestVerification: where TLS is ours, a certificate that sessions would not accept takes the node away.
func TestVerification(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	right, err := ca.Server("nodes.example.org")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		writeCA(t, path, text)
		return path
	}
	good, wrong, empty := file("good", ca.PEM()), file("wrong", other.PEM()), file("empty", []byte("none\n"))
	for _, c := range []struct {
		name     string
		verify   bool
		ca, sni  string
		settings *tls.Config
		want     string
	}{
		{"passthrough", false, "", "mail.example.org", right, "good"},
		{"right", true, good, "nodes.example.org", right, "good"},
		{"other authority", true, wrong, "nodes.example.org", right, "its certificate is not accepted (tls.node_ca, node_name): x509: certificate signed by unknown authority"},
		{"other name", true, good, "mail.example.org", right, "x509: certificate is valid for nodes.example.org, not mail.example.org"},
		{"not of the system's", true, "", "nodes.example.org", right, "is not accepted"},
		{"expired", true, good, "other.example", certificateUntil(time.Now().Add(-time.Hour)), "has expired"},
		{"expired, and nobody asks", false, good, "other.example", certificateUntil(time.Now().Add(-time.Hour)), "good"},
		{"no file", true, filepath.Join(dir, "none"), "nodes.example.org", right, "ours: node_ca: "},
		{"nothing in the file", true, empty, "nodes.example.org", right, "ours: node_ca: "},
	} {
		j := smtpJob(tlsNode(t, c.settings).addr.Port(), "127.0.0.1")
		j.spec.tls, j.spec.level, j.spec.protocol = true, config.LevelTLS, config.HTTP
		j.spec.verify, j.spec.ca, j.spec.sni = c.verify, c.ca, c.sni
		o := j.run(t.Context())
		got := "good"
		if o.failure != nil {
			got = o.failure.reason
		}
		if o.ours() {
			got = "ours: " + got
		} else if o.expiry.IsZero() {
			t.Errorf("%s: the end of the certificate was not learned", c.name)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestNodeCAReload: a new authority counts without a reload of the topology, and a broken file changes nothing.
func TestNodeCAReload(t *testing.T) {
	old, renewed := newCA(t), newCA(t)
	path := filepath.Join(t.TempDir(), "ca")
	writeCA(t, path, old.PEM())
	ca := new(nodeCA)
	for _, step := range []struct {
		does string
		text []byte
		want *mailtest.CA
	}{
		{"as it is", nil, old},
		{"nonsense", []byte("x"), old},
		{"renewed", renewed.PEM(), renewed},
		{"gone", []byte{}, renewed},
		{"both", bytes.Join([][]byte{renewed.PEM(), old.PEM()}, nil), old},
	} {
		if step.text != nil {
			writeCA(t, path, step.text)
		}
		if step.does == "gone" {
			os.Remove(path)
		}
		ca.look(path)
		if ca.err != nil || !signedBy(t, ca, step.want) {
			t.Errorf("%s: %v, not the authority that was wanted", step.does, ca.err)
		}
	}
}

func signedBy(t *testing.T, ca *nodeCA, want *mailtest.CA) bool {
	t.Helper()
	issued, err := want.Issue("node.example.org")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(issued.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: ca.pool})
	return err == nil
}

// TestGreetingInside: what sessions wait for is the greeting inside TLS, and not the node's part of the handshake.
func TestGreetingInside(t *testing.T) {
	const pause = 50 * time.Millisecond
	settings := certificateUntil(time.Now().Add(time.Hour))
	n := startNode(t, func(c net.Conn) error {
		s := tls.Server(c, settings)
		if err := s.Handshake(); err != nil {
			return err
		}
		time.Sleep(pause) // this is what is measured
		_, err := s.Write([]byte("220 mail.example.org\r\n"))
		s.CloseWrite()
		io.Copy(io.Discard, s)
		return err
	})
	j := smtpJob(n.addr.Port(), "127.0.0.1")
	j.spec.tls, j.spec.inside, j.spec.timeout = true, true, 10*time.Second
	if o := j.run(t.Context()); o.greeting < pause {
		t.Errorf("greeting after %v, want %v at least (%v)", o.greeting, pause, o.failure)
	}
}
