package geodns

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
)

// Server answers over UDP and TCP. The exported fields are set before the first call and not changed after it.
//
// Prepare binds the addresses of a topology, Commit puts them into effect, Use gives it the data of which answers are made. Until the first
// data nobody is answered: questions wait.
type Server struct {
	Log     *slog.Logger
	Metrics *Metrics // nil: counted for nobody

	// Kept is what Keep was given last for a state_dir, in the run before this one; nil: nothing. It is secret. Both may be nil.
	Kept func(dir string) ([]byte, error)
	Keep func(dir string, data []byte) error

	once    sync.Once
	cookies *cookies
	limit   *rateLimit
	tcp     tcpSide
	serving atomic.Pointer[serving]
	first   chan struct{} // closed when there is data
	running sync.WaitGroup

	packing   sync.Mutex // one Use at a time; guards the following
	secretsIn string     // the state_dir in which the secrets of cookies are kept

	mu        sync.Mutex // guards the following
	listeners map[netip.AddrPort]*listener
	closing   bool
}

// listener is the sockets of one address.
type listener struct {
	udp     []*udpSocket
	tcp     *tcpListener
	ended   chan struct{}
	running sync.WaitGroup // what answers over UDP
}

var errClosing = errors.New("dns: the process is ending")

// init makes the parts of a literal.
func (s *Server) init() {
	s.once.Do(func() {
		s.cookies, s.limit = newCookies(), newRateLimit()
		s.first = make(chan struct{})
		s.listeners = make(map[netip.AddrPort]*listener)
		if s.Metrics == nil {
			s.Metrics = NewMetrics(prometheus.NewRegistry())
		}
	})
}

// Use makes the answers that are sent from now on of other data. It packs them first, which takes some milliseconds; nobody waits for it.
func (s *Server) Use(d *Data) {
	s.init()
	s.packing.Lock()
	defer s.packing.Unlock()
	before := s.serving.Load()
	s.keepSecrets(d.Zones.topology.StateDir, before == nil, time.Now())
	s.pack(d, before)
}

// pack publishes the answers of a Data. The caller holds packing.
func (s *Server) pack(d *Data, before *serving) {
	next := newServing(d, before, s.Metrics)
	if s.serving.Swap(next) == nil {
		close(s.first)
	}
	s.Metrics.keep(next)
}

// Data is the one in use, nil before the first.
func (s *Server) Data() *Data {
	if serving := s.serving.Load(); serving != nil {
		return serving.data
	}
	return nil
}

// renewEvery is how often the Server looks whether secrets or signatures are of another day. They would last for a week, but the clock may
// have been set: what was signed before is then too old or not good yet.
const renewEvery = time.Minute

// Run answers until ctx ends. When it returns nothing that the Server started is left. It returns nil.
func (s *Server) Run(ctx context.Context) error {
	s.init()
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-tick.C:
			s.renew(now)
		}
	}
	s.mu.Lock()
	s.closing = true
	for a, l := range s.listeners {
		s.close(l)
		delete(s.listeners, a)
	}
	s.mu.Unlock()
	s.tcp.end()
	s.running.Wait()
	return nil
}

// renew takes new secrets and signatures in time.
func (s *Server) renew(now time.Time) {
	s.packing.Lock()
	defer s.packing.Unlock()
	if s.cookies.rotate(now) {
		s.saveSecrets()
	}
	if serving := s.serving.Load(); serving != nil && serving.data.Zones.topology.DNS.KeyDir != "" && !serving.day.Equal(serving.data.Zones.day()) {
		s.pack(serving.data, nil)
	}
}

// Change is the addresses of a topology, ready to be put into effect.
type Change struct {
	server *Server
	wanted []netip.AddrPort
	fresh  map[netip.AddrPort]*listener // bound by Prepare
}

// Prepare binds the addresses that the topology adds. Nothing else has changed yet; the caller calls Commit or Abort. The error
// names every address that cannot be bound, and what to do about it.
func (s *Server) Prepare(t *config.Topology) (*Change, error) {
	s.init()
	c := &Change{server: s, fresh: make(map[netip.AddrPort]*listener)}
	if t.DNS != nil {
		c.wanted = t.DNS.Listen
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, errClosing
	}
	var failed []error
	for _, a := range c.wanted {
		if s.listeners[a] != nil || c.fresh[a] != nil {
			continue
		}
		l, err := bind(a)
		if err != nil {
			failed = append(failed, bindError(a, err))
			continue
		}
		c.fresh[a] = l
	}
	if len(failed) > 0 {
		c.Abort()
		return nil, errors.Join(failed...)
	}
	return c, nil
}

// bind binds TCP first: that is what keeps a second process away.
func bind(a netip.AddrPort) (*listener, error) {
	tcp, err := bindTCP(a)
	if err != nil {
		return nil, err
	}
	udp, err := bindUDP(a, Workers())
	if err != nil {
		tcp.close()
		return nil, err
	}
	return &listener{udp: udp, tcp: tcp, ended: make(chan struct{})}, nil
}

// Commit lets the new addresses answer and closes those that the topology does not name any more. Sockets that stay are not
// touched, so that no question in their queues is lost.
func (c *Change) Commit() {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		c.Abort()
		return
	}
	kept := make(map[netip.AddrPort]*listener, len(c.wanted))
	for _, a := range c.wanted {
		if l := c.fresh[a]; l != nil {
			s.start(l)
			kept[a] = l
		} else {
			kept[a] = s.listeners[a]
		}
	}
	for a, l := range s.listeners {
		if kept[a] == nil {
			s.close(l)
		}
	}
	s.listeners = kept
}

// Abort closes what Prepare bound.
func (c *Change) Abort() {
	for _, l := range c.fresh {
		l.tcp.close()
		closeAll(l.udp)
	}
}

// close returns when the address is free for others.
func (s *Server) close(l *listener) {
	close(l.ended)
	s.tcp.unserve(l.tcp)
	for _, socket := range l.udp {
		socket.end()
	}
	l.running.Wait()
}

// start lets the sockets of an address answer, as soon as there is data.
func (s *Server) start(l *listener) {
	for i, socket := range l.udp {
		l.running.Go(func() {
			if !s.await(l) {
				socket.close()
				return
			}
			if err := socket.serve(s.newWorker(i)); err != nil {
				s.Log.Error("dns: a socket has failed, the others of its address go on", "why", err.Error())
			}
		})
	}
	s.running.Go(func() {
		if s.await(l) {
			s.tcp.serve(s, l.tcp, l.ended)
		}
	})
}

// await waits for the first data. false: the listener has ended before, and there is nothing to answer with.
func (s *Server) await(l *listener) bool {
	select {
	case <-s.first:
		return true
	case <-l.ended:
		return false
	}
}
