package proxy

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"posthouse/config"
	"posthouse/routing"
)

// Change is a topology's listeners, ready to be put into effect.
type Change struct {
	server   *Server
	topology *config.Topology
	wanted   []config.Listener
	fresh    map[netip.AddrPort]*listener // bound by Prepare
	keyring  *keyring
	previous *routing.Table // what the server had as such before Prepare

	authorities *authorities
}

// Prepare binds the addresses that the topology adds. Nothing else has changed yet; the caller calls Commit or Abort. The error
// names every address that cannot be bound, and what to do about it.
func (s *Server) Prepare(t *config.Topology) (*Change, error) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, errClosing
	}
	c := &Change{server: s, topology: t, wanted: t.Listeners(), fresh: make(map[netip.AddrPort]*listener)}
	c.previous = s.previous.Swap(s.Router.Table()) // before the router publishes the new one
	failed := c.loadTLS()
	for _, w := range c.wanted {
		if s.listeners[w.Address] != nil {
			continue
		}
		socket, err := s.open(w.Address, freebind(w.Services))
		if err != nil {
			failed = append(failed, s.explain(w.Address, err))
			continue
		}
		c.fresh[w.Address] = newListener(s, w.Address, socket)
	}
	if len(failed) > 0 {
		c.drop()
		return nil, errors.Join(failed...)
	}
	return c, nil
}

func freebind(services []*config.Service) bool {
	for _, s := range services {
		if s.Freebind {
			return true
		}
	}
	return false
}

// explain finds out whether the address is held by a listener of our own: a change from one address to all of a port, or
// back, cannot be made in one step, because the new one is bound before the old one is closed. Whatever else holds it is
// another process.
func (s *Server) explain(a netip.AddrPort, err error) error {
	if !errors.Is(err, unix.EADDRINUSE) {
		return err
	}
	for held := range s.listeners {
		if config.Overlap(held, a) {
			return fmt.Errorf("listen on %s: our own listener on %s holds the port: remove that one first, and add this one with a second change",
				listenAddress(a), listenAddress(held))
		}
	}
	return err
}

// Commit lets the new listeners accept, gives the kept ones their new settings, for sessions that begin from now on, and
// closes those that the topology does not name any more; their sessions live on.
func (c *Change) Commit() {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		c.drop()
		return
	}
	s.use(c.keyring, c.authorities)
	kept := make(map[netip.AddrPort]*listener, len(c.wanted))
	for _, w := range c.wanted {
		l := s.listeners[w.Address]
		if l == nil {
			l = c.fresh[w.Address]
		}
		fresh := c.front(w)
		old := l.front.Swap(fresh)
		if old != nil {
			old.next.Store(fresh)
		}
		l.open(old == nil)
		kept[w.Address] = l
	}
	for a, l := range s.listeners {
		if kept[a] == nil {
			l.close()
		}
	}
	s.listeners = kept
	s.pools.renew()
	c.forget()
}

func (c *Change) front(w config.Listener) *front {
	services := make([]*service, len(w.Services))
	for i, s := range w.Services {
		services[i] = &service{
			Service: s, topology: c.topology,
			limiter: c.server.limiter(s), metrics: c.server.Metrics.of(s.Name),
		}
		c.secure(services[i])
	}
	if w.Redirect {
		return newRedirect(services, c.topology.Region)
	}
	return newFront(services)
}

// loadTLS reads the files that tls names.
func (c *Change) loadTLS() (failed []error) {
	var err error
	if c.keyring, err = newKeyring(c.topology.TLS.Certificates); err != nil {
		failed = append(failed, fmt.Errorf("tls.certificates: %w", err))
	}
	if c.authorities, err = newAuthorities(c.topology.TLS.NodeCA); err != nil {
		failed = append(failed, fmt.Errorf("tls.node_ca: %w", err))
	}
	return failed
}

// secure gives a service its sides of TLS.
func (c *Change) secure(s *service) {
	settings := c.topology.TLS
	if s.TLS == config.Terminate || s.TLS == config.Reencrypt {
		s.terms = newTerms(s.Protocol, settings.MinVersion)
	}
	if s.TLS == config.Reencrypt {
		s.node = newNodeTLS(settings, s.Protocol, c.authorities, c.server.nodeSessions)
	}
}

// limiter is the one that counts the service's sessions already, with the limits of now.
func (s *Server) limiter(service *config.Service) *limiter {
	l := s.limiters[service.Name]
	if l == nil {
		l = new(limiter)
		s.limiters[service.Name] = l
	}
	l.set(service.Limits)
	return l
}

// forget drops what was kept for services that the topology does not name any more.
func (c *Change) forget() {
	named := make(map[string]bool, len(c.topology.Services))
	for _, s := range c.topology.Services {
		named[s.Name] = true
	}
	for name := range c.server.limiters {
		if !named[name] {
			delete(c.server.limiters, name)
		}
	}
	c.server.Metrics.keep(named)
}

// Abort closes what Prepare bound.
func (c *Change) Abort() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.drop()
}

// drop keeps what was passed to the process for the next change: nobody can bind it again.
func (c *Change) drop() {
	c.server.previous.Store(c.previous)
	for _, l := range c.fresh {
		if l.socket.foreign && !c.server.closing {
			c.server.Passed = append(c.server.Passed, l.socket.TCPListener)
			continue
		}
		l.socket.Close()
	}
}
