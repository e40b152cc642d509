package proxy

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// authorities are those whose certificates nodes may show, and the file that they come from. It is looked after like the certificates
// that clients see: whoever renews those puts the authority beside them.
type authorities struct {
	file    string // "": the system's
	current atomic.Pointer[x509.CertPool]

	mu   sync.Mutex // guards the following
	seen stamp
}

func newAuthorities(file string) (*authorities, error) {
	a := &authorities{file: file}
	if file == "" {
		return a, nil
	}
	return a, a.read()
}

func (a *authorities) read() error {
	a.seen = stampOf(a.file)
	text, err := readPEM(a.file)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: no certificate in it", a.file)
	}
	if old := a.current.Load(); old == nil || !old.Equal(pool) {
		a.current.Store(pool)
	}
	return nil
}

// look reads the file again if it has changed.
func (a *authorities) look(log *slog.Logger) (renewed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == "" || a.seen == stampOf(a.file) {
		return false
	}
	old := a.current.Load()
	if err := a.read(); err != nil {
		log.Warn("node_ca not reloaded, the one in use stays", "node_ca", a.file, "why", err.Error())
		return false
	}
	if a.current.Load() == old {
		return false
	}
	log.Info("node_ca reloaded", "node_ca", a.file)
	return true
}
