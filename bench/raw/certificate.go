//go:build linux

package raw

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// ServerName is what clients ask for, and what Host says.
const ServerName = "mail.bench.test"

// Certificate is the one of all servers: ECDSA P-256, self-signed, as PEM files.
type Certificate struct {
	Leaf                    *x509.Certificate
	File, KeyFile, BothFile string
}

func NewCertificate(dir string) (Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: ServerName},
		DNSNames:     []string{ServerName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, err
	}
	c := Certificate{leaf, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "both.pem")}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for file, content := range map[string][]byte{c.File: certPEM, c.KeyFile: keyPEM, c.BothFile: append(certPEM, keyPEM...)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return Certificate{}, err
		}
	}
	return c, nil
}

// Config is a client's TLS: 1.3, the cipher that all servers are told to take, an application protocol and these key shares. Verifying a
// certificate would cost the clients as much as the handshake costs the server, so they compare it.
func (c Certificate) Config(protocol string, curves ...tls.CurveID) *tls.Config {
	return &tls.Config{
		ServerName:                  ServerName,
		NextProtos:                  []string{protocol},
		MinVersion:                  tls.VersionTLS13,
		CurvePreferences:            curves,
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          true,
		VerifyPeerCertificate: func(certs [][]byte, _ [][]*x509.Certificate) error {
			if len(certs) == 0 || !bytes.Equal(certs[0], c.Leaf.Raw) {
				return errors.New("another certificate")
			}
			return nil
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
				return fmt.Errorf("cipher suite %s", tls.CipherSuiteName(s.CipherSuite))
			}
			return nil
		},
	}
}
