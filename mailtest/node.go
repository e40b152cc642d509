// Package mailtest has mail nodes and mail clients that live in the process: what the demo shows and what tests
// balance. They speak real protocols over real sockets and hold no more mail than fits into memory.
//
// A Node is one mail server: plain data until Start opens its ports. It can be killed and started again, frozen and
// thawed. A Store is the accounts and mail that it serves; the nodes of a cluster share one, as real ones do. A CA
// makes their certificates. A Client plays dialogues against any of them, in C: and S: lines.
//
// Of HTTP a node has JMAP, WebDAV and what tells of a request (http.go): one server for all nodes of the process.
//
// Everything is small so that a process can hold a thousand nodes: an idle node costs one goroutine a port, and the
// protocol servers exist only as long as a session does.
package mailtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/config"
)

// Node is one mail server. The exported fields are set before Start and not changed afterwards.
type Node struct {
	Name          string              // what its greetings say, one word
	Address       map[string]string   // by built-in service (imaps, smtp, ...): host:port; port 0 takes a free one and keeps it; for HTTP see http.go
	TLS           *tls.Config         // nil: no STARTTLS, and no services with implicit TLS
	Proxy         config.ProxyVersion // the header that every connection must begin with
	HeaderTimeout time.Duration       // how long that header may take; 0 = 5 s
	Store         *Store              // nil: nobody can log in, mail is accepted and dropped

	frozen atomic.Pointer[chan struct{}] // not nil: sessions wait until it is closed
	served atomic.Int64
	bodies bodies

	mu    sync.Mutex        // guards the following
	bound map[string]string // the addresses in use since the first Start
	live  *life             // nil: not running
	seen  []Session         // the latest ones, oldest first
}

// Session is a client as the node saw it.
type Session struct {
	Service string
	Client  netip.AddrPort // what the PROXY header says, or the peer where there is none
}

// remembered is how many sessions a node remembers: enough for a test to find its own among probes, and for a
// thousand nodes to cost nothing.
const remembered = 64

// life is what a node has while it runs: from Start to Kill.
type life struct {
	listeners []net.Listener
	wg        sync.WaitGroup // one for each listener and each connection

	mu    sync.Mutex // guards the following
	ended bool
	conns map[net.Conn]struct{}
}

// Start opens all ports of the node, or none of them and returns an error.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.live != nil {
		return fmt.Errorf("node %s is running already", n.Name)
	}
	if n.bound == nil {
		n.bound = maps.Clone(n.Address)
	}
	l := &life{conns: make(map[net.Conn]struct{})}
	for _, names := range ports(n.bound) {
		if err := n.listen(l, names); err != nil {
			l.end()
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	n.live = l
	return nil
}

// listen opens a port for the services that share it.
func (n *Node) listen(l *life, names []string) error {
	service, ok := services[names[0]]
	if !ok {
		return fmt.Errorf("no mail service %q", names[0])
	}
	if service.implicitTLS && n.TLS == nil {
		return fmt.Errorf("service %s needs a TLS configuration", names[0])
	}
	listener, err := net.Listen("tcp", n.bound[names[0]])
	if err != nil {
		return err
	}
	for _, name := range names {
		n.bound[name] = listener.Addr().String()
	}
	l.listeners = append(l.listeners, listener)
	l.wg.Go(func() { n.accept(l, listener, names) })
	return nil
}

func (n *Node) accept(l *life, listener net.Listener, names []string) {
	for {
		raw, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, most likely: busy if it were tried again at once
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if !l.add(raw) {
			raw.Close()
			return
		}
		go n.serve(&conn{Conn: raw, raw: raw, node: n, life: l, names: names})
	}
}

// Run starts the node and kills it when ctx ends.
func (n *Node) Run(ctx context.Context) error {
	if err := n.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	n.Kill()
	return nil
}

// Kill ends the node as kill -9 would: the ports close, sessions are cut in the middle of a word. It returns when
// all that Start began is gone. A node that does not run stays as it is. Start brings it back on the same ports.
func (n *Node) Kill() {
	n.mu.Lock()
	l := n.live
	n.live = nil
	n.mu.Unlock()
	if l != nil {
		l.end()
	}
	n.Thaw() // the frozen sessions find their connections closed
	if l != nil {
		l.wg.Wait()
	}
}

// Freeze stops the node as SIGSTOP would: the kernel goes on accepting, nobody is answered, no session ends.
func (n *Node) Freeze() {
	ice := make(chan struct{})
	n.frozen.CompareAndSwap(nil, &ice)
}

// Thaw lets a frozen node go on where it stopped.
func (n *Node) Thaw() {
	if ice := n.frozen.Swap(nil); ice != nil {
		close(*ice)
	}
}

// wait blocks while the node is frozen.
func (n *Node) wait() {
	if ice := n.frozen.Load(); ice != nil {
		<-*ice
	}
}

// Up says whether the node runs; a frozen one does.
func (n *Node) Up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.live != nil
}

// Addr is where the node serves a service, also while it is down; before the first Start it is the zero AddrPort,
// as it is for a service that the node does not have.
func (n *Node) Addr(service string) netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	addr, _ := netip.ParseAddrPort(n.bound[service])
	return addr
}

// Sessions is the number of connections open now, those without a PROXY header yet among them.
func (n *Node) Sessions() int {
	n.mu.Lock()
	l := n.live
	n.mu.Unlock()
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Served is the number of sessions so far that came as far as their greeting, and of HTTP requests, probes included.
func (n *Node) Served() int64 { return n.served.Load() }

// Seen lists the latest sessions and HTTP requests (up to 64), oldest first, probes included.
func (n *Node) Seen() []Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.seen)
}

func (n *Node) note(s Session) {
	n.served.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.seen) == remembered {
		copy(n.seen, n.seen[1:])
		n.seen = n.seen[:remembered-1]
	}
	n.seen = append(n.seen, s)
}

// end closes everything that was begun; the wait group tells when it is gone.
func (l *life) end() {
	for _, listener := range l.listeners {
		listener.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for c := range l.conns {
		c.Close()
	}
}

func (l *life) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.conns[c] = struct{}{}
	l.wg.Add(1)
	return true
}

func (l *life) remove(c net.Conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	l.wg.Done()
}
