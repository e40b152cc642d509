package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"posthouse/config"
)

// keyring is the certificates of a topology and the files that they come from. When a file changes the pair is read again;
// sessions that have begun do not notice.
type keyring struct {
	current atomic.Pointer[certificates]

	mu    sync.Mutex // guards the following
	pairs []*pairFile
}

// pairFile is a pair and how its files looked when they were read.
type pairFile struct {
	config.Certificate
	seen [2]stamp
	pair *tls.Certificate
	told age // that was said of it
}

// age is what is said of a certificate, once.
type age uint8

const (
	fresh age = iota
	expiring
	expired
)

// expiryWarning is how long before its end a certificate is spoken of: a renewal that works happens weeks earlier.
const expiryWarning = 14 * 24 * time.Hour

func ageOf(end, now time.Time) age {
	switch {
	case now.After(end):
		return expired
	case end.Sub(now) < expiryWarning:
		return expiring
	}
	return fresh
}

// remind says of a certificate what its age asks for.
func (p *pairFile) remind(log *slog.Logger, now time.Time) {
	end := p.pair.Leaf.NotAfter
	switch age := ageOf(end, now); {
	case age <= p.told:
		return
	case age == expired:
		log.Warn("certificate has expired", "event", "certificate-expired", "certificate", p.Cert, "expired", end)
	default:
		log.Warn("certificate expires soon", "event", "certificate-expires", "certificate", p.Cert, "expires", end)
	}
	p.told = ageOf(end, now)
}

// stamp tells whether a file may have changed. The zero value is a file that is not there.
type stamp struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

// stampOf follows symbolic links: that is how certbot and Kubernetes change files.
func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	s := stamp{size: info.Size(), modified: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.inode = uint64(sys.Dev), sys.Ino
	}
	return s
}

// newKeyring reads all pairs. The error names every file that is not as it should be.
func newKeyring(all []config.Certificate) (*keyring, error) {
	k := new(keyring)
	var failed []error
	for _, c := range all {
		p := &pairFile{Certificate: c}
		if _, err := p.read(); err != nil {
			failed = append(failed, err)
		}
		k.pairs = append(k.pairs, p)
	}
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	k.publish()
	return k, nil
}

func (k *keyring) publish() {
	pairs := make([]*tls.Certificate, len(k.pairs))
	for i, p := range k.pairs {
		pairs[i] = p.pair
	}
	k.current.Store(newCertificates(pairs))
}

func (k *keyring) choose(info *tls.ClientHelloInfo, anyName bool) *tls.Certificate {
	return k.current.Load().choose(info, anyName)
}

// read takes the pair from its files. The stamps are older than what is read: a change in between is seen next time.
func (p *pairFile) read() (changed bool, err error) {
	p.seen = [2]stamp{stampOf(p.Cert), stampOf(p.Key)}
	pair, err := loadPair(p.Certificate)
	if err != nil {
		return false, err
	}
	p.told = fresh
	changed = p.pair == nil || !slices.EqualFunc(p.pair.Certificate, pair.Certificate, bytes.Equal)
	p.pair = pair
	return changed, nil
}

// look reads the pairs again whose files have changed. A pair that is not good, half-written perhaps, is said once and the old one
// stays.
func (k *keyring) look(log *slog.Logger) (renewed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pairs {
		p.remind(log, time.Now())
		if p.seen == [2]stamp{stampOf(p.Cert), stampOf(p.Key)} {
			continue
		}
		changed, err := p.read()
		if err != nil {
			log.Warn("certificate not reloaded, the one in use stays", "event", "certificate-refused", "certificate", p.Cert, "why", err.Error())
			continue
		}
		if changed {
			renewed = true
			log.Info("certificate reloaded", "event", "certificate-reloaded", "certificate", p.Cert, "names", p.pair.Leaf.DNSNames, "expires", p.pair.Leaf.NotAfter)
		}
	}
	if renewed {
		k.publish()
	}
	return renewed
}

// warn says what clients will not like about the certificates.
func (k *keyring) warn(log *slog.Logger, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, p := range k.pairs {
		p.remind(log, now)
		if len(p.pair.Leaf.DNSNames) == 0 && i > 0 {
			log.Warn("certificate has no DNS name, so no client gets it", "certificate", p.Cert)
		}
	}
}

// expiries tells when the certificates expire, by file.
func (k *keyring) expiries() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make(map[string]time.Time, len(k.pairs))
	for _, p := range k.pairs {
		all[p.Cert] = p.pair.Leaf.NotAfter
	}
	return all
}

// use puts the certificates of a topology into effect.
func (s *Server) use(k *keyring, a *authorities) {
	s.authorities.Store(a) // first: who finds certificates finds authorities too
	s.keyring.Store(k)
	k.warn(s.events(), time.Now())
	s.Metrics.expire(k.expiries())
}

// certificatesEvery is how often the files are looked at: four system calls for a pair. A watcher would need a folder each, and
// another way for what it misses.
const certificatesEvery = 2 * time.Second

// renew looks after the files until ctx ends.
func (s *Server) renew(ctx context.Context) {
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.look()
		case <-ctx.Done():
			return
		}
	}
}

// expire tells when the certificates expire, unless a reload has put others into effect by now.
func (s *Server) expire(k *keyring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keyring.Load() == k {
		s.Metrics.expire(k.expiries())
	}
}

func (s *Server) look() {
	k := s.keyring.Load()
	if k == nil {
		return
	}
	if k.look(s.events()) {
		s.expire(k)
	}
	if s.authorities.Load().look(s.Log) {
		s.pools.renew() // what they hold was verified by the old ones
	}
}
