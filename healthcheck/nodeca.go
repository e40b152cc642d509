package healthcheck

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// nodeCA is a file of authorities that nodes' certificates are verified against. A changed file is read again, as it is
// for sessions; while the new one cannot be read the old one counts.
type nodeCA struct {
	mu     sync.Mutex // guards the following
	looked time.Time
	seen   os.FileInfo
	pool   *x509.CertPool
	err    error // of the first read
}

const (
	lookAgain = time.Second // between looks at the file: handshakes of a large cluster are many in a second
	maxPEM    = 1 << 20     // a list of all public authorities is a fifth of it
)

// nodeCAs are the files by path; there are as many as topologies have named.
var nodeCAs sync.Map // string -> *nodeCA

// authorities are those of a file; nil, the system's, where no file is named.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	known, _ := nodeCAs.LoadOrStore(file, new(nodeCA))
	ca := known.(*nodeCA)
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if now := time.Now(); now.Sub(ca.looked) >= lookAgain {
		ca.looked = now
		ca.look(file)
	}
	return ca.pool, ca.err
}

func (ca *nodeCA) look(file string) {
	info, err := os.Stat(file)
	if err == nil && ca.seen != nil && os.SameFile(info, ca.seen) && info.ModTime().Equal(ca.seen.ModTime()) && info.Size() == ca.seen.Size() {
		return
	}
	var pool *x509.CertPool
	if err == nil {
		pool, err = readPool(file)
	}
	switch {
	case err == nil:
		ca.seen, ca.pool, ca.err = info, pool, nil
	case ca.pool == nil:
		ca.err = err
	}
}

func readPool(file string) (*x509.CertPool, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in it", file)
	}
	return pool, nil
}
