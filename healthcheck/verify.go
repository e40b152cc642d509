package healthcheck

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"time"
)

// verifications remembers chains that were found good, because a node shows the same one in every round and its
// signatures are a quarter of what a handshake costs. The zero value remembers none.
type verifications struct {
	mu   sync.Mutex // guards the following
	good map[chain]time.Time
}

// chain is all that a verification depends on, but for the time.
type chain struct {
	digest [sha256.Size]byte // of the certificates in the order in which they came
	name   string
	pool   *x509.CertPool // nil: the system's; one for each content of node_ca
}

// maxVerified bounds what is remembered: the chains of 16,384 nodes are some 2 MiB, and who has more, or renews more
// of them, only has some verified anew.
const maxVerified = 1 << 14

var verified verifications

// check verifies what a node shows, as crypto/tls does for sessions.
func (v *verifications) check(s tls.ConnectionState, pool *x509.CertPool, name string) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("it shows no certificate")
	}
	now, key := time.Now(), chainOf(s, pool, name)
	v.mu.Lock()
	until := v.good[key]
	v.mu.Unlock()
	if now.Before(until) {
		return nil
	}
	chains, err := verify(s, pool, name, now)
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	v.remember(key, end(chains[0], now))
	return nil
}

func chainOf(s tls.ConnectionState, pool *x509.CertPool, name string) chain {
	h := sha256.New()
	for _, c := range s.PeerCertificates {
		h.Write(c.Raw) // DER says itself how long it is
	}
	key := chain{name: name, pool: pool}
	h.Sum(key.digest[:0])
	return key
}

func verify(s tls.ConnectionState, pool *x509.CertPool, name string, now time.Time) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	return s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: name, Intermediates: between, CurrentTime: now})
}

// verifiedFor bounds how long a chain counts without another look: the system's authorities may change.
const verifiedFor = time.Hour

// end is until when a chain may count: to the end of its shortest certificate at most.
func end(chain []*x509.Certificate, now time.Time) time.Time {
	until := now.Add(verifiedFor)
	for _, c := range chain {
		if c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return until
}

func (v *verifications) remember(key chain, until time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.good == nil || len(v.good) >= maxVerified {
		v.good = make(map[chain]time.Time)
	}
	v.good[key] = until
}
