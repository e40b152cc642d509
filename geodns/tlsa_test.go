package geodns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// certificate writes a certificate for names and returns the path without its ending, and what TLSA says of it.
func certificate(t *testing.T, dir, file string, names ...string) (path, sum string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, file)
	for ending, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY"}} {
		if err := os.WriteFile(path+ending, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return path, hex.EncodeToString(hash[:])
}

// Names at which clients see a certificate of ours have its key, at each port.
func TestTLSA(t *testing.T) {
	dir := t.TempDir()
	first, one := certificate(t, dir, "first", "mail.example.org")
	second, two := certificate(t, dir, "second", "imap.mail.example.org", "*.mail.example.org")
	third, three := certificate(t, dir, "third", "imap.mail.example.org")
	if _, err := NewKey(dir, "mail.example.org"); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(signed(testTopology), "KEYS", dir, 1) + fmt.Sprintf(`
services:
  imaps: {tls: reencrypt, regional_listen: {us: [":993", ":9930"]}}
  smtp: {starttls: terminate}
  jmap: {tls: reencrypt}
  webdav: {tls: reencrypt}
  http: {tls: reencrypt}
tls:
  certificates: [{cert: %[1]s.crt, key: %[1]s.key}, {cert: %[2]s.crt, key: %[2]s.key}, {cert: %[3]s.crt, key: %[3]s.key}]
`, first, second, third)
	next := strings.Repeat("ab", 32) // the key of a certificate that is coming
	text = strings.Replace(text, "      records: |", "      records: |\n        _25._tcp.mx TLSA 3 1 1 "+next, 1)
	d := newData(t, text)
	for _, c := range []struct{ question, want string }{
		{"_993._tcp.imap TLSA", "NOERROR TLSA 3 1 1 " + two + " TLSA 3 1 1 " + three},
		{"_9930._tcp.imap TLSA", "NOERROR TLSA 3 1 1 " + two + " TLSA 3 1 1 " + three},
		{"_25._tcp.mx TLSA", "NOERROR TLSA 3 1 1 " + next + " TLSA 3 1 1 " + two},
		{"_25._tcp.fallback-mx TLSA", "NOERROR TLSA 3 1 1 " + two},
		{"_443._tcp TLSA", "NOERROR TLSA 3 1 1 " + one},
		{"_25._tcp.imap TLSA", "NXDOMAIN / SOA"},
	} {
		if got := ask(t, d, c.question, clients[eu]); got != c.want {
			t.Errorf("%s = %s, want %s", c.question, got, c.want)
		}
	}

	// Without signatures nobody would believe them; with TLS at the nodes we do not know them.
	unsigned := newData(t, strings.Replace(text, "dnssec:", "#", 1))
	if got := ask(t, unsigned, "_993._tcp.imap TLSA", clients[eu]); got != "NXDOMAIN / SOA" {
		t.Errorf("in a zone without signatures = %s", got)
	}
	passing := newSigned(t, signed(testTopology), "mail.example.org")
	if got := ask(t, passing, "_993._tcp.imap TLSA", clients[eu]); got != "NXDOMAIN / SOA" {
		t.Errorf("with TLS at the nodes = %s", got)
	}

	if err := os.WriteFile(first+".crt", []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewZones(d.Zones.topology, 1); err == nil || !strings.Contains(err.Error(), "first.crt") {
		t.Errorf("a broken certificate: %v, want its name", err)
	}
}

// A mail domain whose services are at the cluster's own name, in a zone elsewhere, is told the keys; hosts of our zones have theirs there.
func TestMailKeys(t *testing.T) {
	path, sum := certificate(t, t.TempDir(), "mail", "mail.example.org")
	text := fmt.Sprintf(`
cluster: mail.example.org
nodes: [{name: node-1, address: 10.0.0.1, services: [smtp, imaps, sieve]}]
defaults: {proxy_protocol: v2}
services: {smtp: {starttls: terminate}, imaps: {tls: reencrypt, listen: [":993", ":9930"]}}
tls: {certificates: [{cert: %[1]s.crt, key: %[1]s.key}]}
`, path)
	for _, row := range []struct{ text, want string }{
		{text, "_25._tcp _993._tcp _9930._tcp"},
		{strings.Replace(text, "mail.example.org", "other.example.org", 1), "_25._tcp"}, // senders of mail see the first one whatever its name is
		{strings.Replace(strings.Replace(text, "starttls: terminate", "", 1), "tls: reencrypt, ", "", 1), ""},
		{text + "dns: {listen: ['192.0.2.53:53'], zones: {example.org: {nameservers: {ns1: [192.0.2.53]}, hosts: {mx: [smtp]}}}}\nregions: {eu: {addresses: [192.0.2.1]}}\n", ""},
	} {
		topology := load(t, row.text)
		records, err := MailKeys(topology, "example.net")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rr := range records {
			name := strings.TrimSuffix(rr.Header().Name, "."+topology.Cluster+".")
			if !slices.Contains(got, name) {
				got = append(got, name)
			}
			if key := rr.(*dns.TLSA).Certificate; key != sum {
				t.Errorf("%s has the key %s, want %s", rr.Header().Name, key, sum)
			}
		}
		if slices.Sort(got); strings.Join(got, " ") != row.want {
			t.Errorf("TLSA at %q, want %q, with\n%s", got, row.want, row.text)
		}
	}
}

// Where no certificate has the name, those who send mail see the first one and others none.
func TestShownCertificates(t *testing.T) {
	c := []*x509.Certificate{{DNSNames: []string{"a.example.org"}}, {DNSNames: []string{"b.example.org"}}}
	for _, row := range []struct {
		name string
		smtp bool
		want []*x509.Certificate
	}{
		{"b.example.org.", false, c[1:]},
		{"b.example.org.", true, c[1:]},
		{"c.example.org.", true, c[:1]},
		{"c.example.org.", false, nil},
	} {
		if got := shown(c, row.name, row.smtp); len(got) != len(row.want) || len(got) > 0 && got[0] != row.want[0] {
			t.Errorf("%s, smtp %v: %d certificates", row.name, row.smtp, len(got))
		}
	}
}
