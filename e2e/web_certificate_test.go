package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// issueOnce makes the balancer's certificate unless it is there.
func issueOnce(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "front.crt")); err != nil {
		issue(t, dir, "front", front)
	}
}

// issue writes NAME.crt and NAME.key into a directory, each by rename: a certificate of the servers' CA for the balancer's
// name and address whose subject tells it from others.
func issue(t *testing.T, dir, file, subject string) {
	t.Helper()
	issueUntil(t, dir, file, subject, time.Now().Add(24*time.Hour))
}

// issueUntil is issue for a certificate that ends at some other time, past or future.
func issueUntil(t *testing.T, dir, file, subject string, end time.Time) {
	t.Helper()
	ca, err := tls.LoadX509KeyPair(servers.ca(), filepath.Join(servers.dir, "tls", "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject},
		DNSNames:     []string{name},
		IPAddresses:  []net.IP{net.ParseIP(front)},
		NotBefore:    time.Now().Add(-48 * time.Hour),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, ca.Leaf, &key.PublicKey, ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(dir, file+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	replace(t, filepath.Join(dir, file+".crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
}
