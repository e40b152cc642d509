package proxy

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"

	"posthouse/routing"
)

// nodeConn is a connection to a node that carries one request after another.
type nodeConn struct {
	stream
	key     poolKey
	backend *routing.Backend // counts the request in flight
	era     uint64           // of the pools when it was made
	fresh   bool             // no request was sent on it yet
	kept    time.Duration    // since base: when it was put by
}

// poolKey is what connections must have in common to be as good as each other: where they lead, how they are encrypted, and what name
// the node was verified by, which follows from the service.
type poolKey struct {
	address netip.AddrPort
	service string
}

const (
	poolIdle = 128              // connections to one address; more are closed after use
	poolAge  = 30 * time.Second // unused; many servers close after a minute or less
	poolLook = 10 * time.Second // between looks for those that are too old
)

// noEra is of connections that are made as it was before a reload, for a request that was in flight during that: nobody else may use them.
const noEra = 0

// pools keep connections to nodes between requests. A connection is in a pool only when its last response has been read to its end and
// nothing is on its way, so that no client can meet what another one left behind. The zero value is ready.
type pools struct {
	mu     sync.Mutex // guards the following
	idle   map[poolKey][]*nodeConn
	timer  *time.Timer
	era    uint64 // the first Commit begins the first one
	closed bool
}

func newNodeConn(tcp *net.TCPConn, secure *tls.Conn, key poolKey, era uint64) (*nodeConn, error) {
	n := &nodeConn{key: key, era: era, fresh: true}
	return n, n.join(tcp, secure)
}

// take returns the connection that was used last, nil if there is none.
func (p *pools) take(key poolKey) *nodeConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle[key]
	last := len(idle) - 1
	if last < 0 {
		return nil
	}
	n := idle[last]
	idle[last] = nil
	p.idle[key] = idle[:last]
	return n
}

// put keeps a connection, or closes it.
func (p *pools) put(n *nodeConn) {
	n.fresh, n.backend, n.kept = false, nil, time.Since(base)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || n.era != p.era || len(p.idle[n.key]) >= poolIdle {
		n.close()
		return
	}
	if p.idle == nil {
		p.idle = make(map[poolKey][]*nodeConn)
	}
	p.idle[n.key] = append(p.idle[n.key], n)
	if p.timer == nil {
		p.timer = time.AfterFunc(poolLook, p.sweep)
	}
}

// sweep closes what is too old, or was closed by its node. It runs again as long as there is anything.
func (p *pools) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := time.Since(base) - poolAge
	for key, idle := range p.idle {
		kept := idle[:0]
		for _, n := range idle {
			if n.kept < oldest || n.disturbed() {
				n.close()
			} else {
				kept = append(kept, n)
			}
		}
		clear(idle[len(kept):])
		if p.idle[key] = kept; len(kept) == 0 {
			delete(p.idle, key)
		}
	}
	p.timer = nil
	if len(p.idle) > 0 && !p.closed {
		p.timer = time.AfterFunc(poolLook, p.sweep)
	}
}

// flush closes the connections of one key: one of them turned out to be stale, as all are when a node restarts.
func (p *pools) flush(key poolKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.idle[key] {
		n.close()
	}
	delete(p.idle, key)
}

// renew closes all, and those in use after their request: a reload may have changed how nodes are verified.
func (p *pools) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.era++
	p.closeAll()
}

// now is the era of connections that are made now.
func (p *pools) now() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.era
}

func (p *pools) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.closeAll()
}

func (p *pools) closeAll() {
	for _, idle := range p.idle {
		for _, n := range idle {
			n.close()
		}
	}
	clear(p.idle)
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
