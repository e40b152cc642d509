package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"posthouse/config"
)

// certificates are what clients may be shown, by the names in them. They do not change; a reload makes new ones.
type certificates struct {
	first *tls.Certificate
	names map[string][]*tls.Certificate // lower case; "*.example.org" as it stands; several: by kind of key
}

func newCertificates(pairs []*tls.Certificate) *certificates {
	c := &certificates{names: make(map[string][]*tls.Certificate)}
	for _, pair := range pairs {
		if c.first == nil {
			c.first = pair
		}
		for _, name := range pair.Leaf.DNSNames {
			name = strings.ToLower(name)
			c.names[name] = append(c.names[name], pair)
		}
	}
	return c
}

// choose is the certificate for the name that a client asks for: the one that has the very name, else one with a wildcard for its
// first label. A client that asks for no name gets the first one, and so does anybody where anyName is set. nil: we have none, and
// somebody else's would teach the client's user to ignore warnings.
func (c *certificates) choose(info *tls.ClientHelloInfo, anyName bool) *tls.Certificate {
	name := strings.ToLower(info.ServerName)
	if _, err := netip.ParseAddr(name); name == "" || err == nil { // an address is no name (RFC 6066, 3), but mbsync sends one
		return c.first
	}
	some := c.names[name]
	if _, parent, ok := strings.Cut(name, "."); ok && some == nil {
		some = c.names["*."+parent]
	}
	for _, pair := range some {
		if len(some) == 1 || info.SupportsCertificate(pair) == nil {
			return pair
		}
	}
	switch {
	case some != nil:
		return some[0]
	case anyName:
		return c.first
	}
	return nil
}

// maxPEM bounds a file of certificates: a chain has a few KiB, all public roots together 300.
const maxPEM = 1 << 20

// loadPair reads a certificate and its key.
func loadPair(c config.Certificate) (*tls.Certificate, error) {
	cert, err := readPEM(c.Cert)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(c.Key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %s", c.Cert, c.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &pair, nil
}

func readPEM(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(text) > maxPEM {
		err = fmt.Errorf("%s: more than 1 MiB", path)
	}
	return text, err
}
