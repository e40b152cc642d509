// Package proxy takes clients of mail, JMAP and WebDAV in and brings each to the node that routing chooses.
//
// A Server binds the addresses of a topology (Prepare), puts them into effect (Commit) and accepts. Each client is a session:
// its PROXY header is read where its peer must send one, allow, deny and limits are applied, its TLS hello is read
// where TLS is passed through, or its whole handshake made where TLS ends here, and a walk over the candidates finds the node that
// greets. Then package relay moves the
// bytes, and at the end one line is logged.
//
// Where HTTP is read here a client has a conversation instead: each of its requests is an exchange, which is routed by its path, finds
// a connection to a node (its own, one of the pools, or by a walk), and passes bodies on unread. Of HTTP/1.1's many framings only those are
// let through that every parser reads alike (package wire).
//
// Else we only relay, so no words of ours ever get into a session that has a node. At the end of the process (Run) such a session is
// closed without words at a quiet moment: the node spoke last, nothing is on its way, and it has been silent for a while.
// drain.go says how long a while.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
	"posthouse/proxy/relay"
	"posthouse/routing"
)

// Server is the session side of one balancer. The exported fields are set before the first call and not changed after it.
type Server struct {
	Router  *routing.Router
	Log     *slog.Logger        // its handler keeps no record: what is in it is used again
	Gather  func() func()       // lines of Log from then on until the other one is called may wait for it; nil: they need not
	Failed  func(config.Target) // a node failed a session; it never blocks; nil: nobody wants to know
	Metrics *Metrics            // nil: counted for nobody
	Events  *slog.Logger        // for what operators should hear of; nil: Log
	Ending  func(Drained)       // is told how far the drain at the end of Run is; nil: nobody wants to know
	Passed  []*net.TCPListener  // sockets that were bound for us, each used for what listens at its address; the Server's from then on

	once     sync.Once
	life     context.Context // ends when Run begins to drain
	endLife  context.CancelFunc
	ids      *ids
	dialer   *dialer
	engine   relay.Engine
	times    httpTimes
	partings partings // of HTTP
	pools    pools    // of connections to nodes that requests share
	live     registry
	reserve  reserve

	descriptors atomic.Int64 // the lowest number that no client may have
	denied      denials
	within      atomic.Int64 // nanoseconds that the last drain has, and one more; 0: the topology's deadline
	clerk       clerk
	crew        *crew

	clientTLS    *tls.Config            // all handshakes with clients begin with it
	nodeSessions tls.ClientSessionCache // to resume TLS with nodes
	distrust     sometimes              // a node's certificate is not accepted
	courtesy     courtesy
	turnstile    turnstile
	keyring      atomic.Pointer[keyring] // nil: not committed yet
	authorities  atomic.Pointer[authorities]

	// previous is the table before the last reload: for sessions that had begun when their service became another one.
	previous atomic.Pointer[routing.Table]

	accepting sync.WaitGroup // accept loops
	running   sync.WaitGroup // sessions, and losers of walks that hang up

	mu        sync.Mutex // guards the following
	listeners map[netip.AddrPort]*listener
	limiters  map[string]*limiter // by service
	closing   bool
}

var errClosing = errors.New("the process is ending")

// init makes the parts of a literal.
func (s *Server) init() {
	s.once.Do(func() {
		s.life, s.endLife = context.WithCancel(context.Background())
		s.ids, s.dialer, s.crew = newIDs(), newDialer(), newCrew()
		if s.times == (httpTimes{}) {
			s.times = usualTimes
		}
		s.listeners = make(map[netip.AddrPort]*listener)
		s.limiters = make(map[string]*limiter)
		s.turnstile = newTurnstile()
		s.clientTLS, s.nodeSessions = newClientTLS(), tls.NewLRUClientSessionCache(maxNodeSessions)
		s.engine.KeepAlive = keepAlive
		if s.Gather == nil {
			s.Gather = func() func() { return func() {} }
		}
		s.reserve.take()
		s.lookAtLimit()
		if s.Metrics == nil {
			s.Metrics = NewMetrics(prometheus.NewRegistry())
		}
	})
}

// Run serves until ctx ends. Then it closes the listeners, drains until the topology's deadline and cuts what is left.
// When it returns nothing that the Server started is left. It returns nil.
func (s *Server) Run(ctx context.Context) error {
	s.init()
	s.unused()
	s.renew(ctx) // returns when ctx ends
	s.stopListening()
	s.endLife()
	s.engine.Recall()
	s.drain(s.Deadline())
	s.running.Wait()
	s.crew.dismiss()
	s.pools.close()
	s.engine.Close()
	s.reserve.close()
	return nil
}

// EndWithin sets how long the sessions have when Run ends, in place of the topology's deadline.
func (s *Server) EndWithin(d time.Duration) { s.within.Store(int64(d) + 1) }

// Deadline is how long they have.
func (s *Server) Deadline() time.Duration {
	if within := s.within.Load(); within > 0 {
		return time.Duration(within - 1)
	}
	return s.Router.Table().Topology().Deadline
}

func (s *Server) stopListening() {
	s.mu.Lock()
	s.closing = true
	for a, l := range s.listeners {
		l.close()
		delete(s.listeners, a)
	}
	for _, l := range s.Passed {
		l.Close()
	}
	s.mu.Unlock()
	s.accepting.Wait()
}

// suspect asks for probes of a node that failed a session.
func (s *Server) suspect(b *routing.Backend) {
	if s.Failed != nil {
		s.Failed(b.Target())
	}
}

func (s *Server) events() *slog.Logger {
	if s.Events != nil {
		return s.Events
	}
	return s.Log
}

func (s *Server) region() string { return s.Router.Table().Topology().Region }
