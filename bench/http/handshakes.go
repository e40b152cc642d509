//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/bench/raw"
)

// shakers are clients with a new TLS connection for each request. A handshake costs them more than the server, so they are
// ordinary goroutines: what the loop would save is nothing.
type shakers struct {
	load *load
	stop atomic.Bool

	mu sync.Mutex // guards the load
}

// shake is drive for them.
func (b *bench) shake(p *peer, w *work) (sample, error) {
	s := &shakers{load: &load{to: p.addr, work: w}}
	b.node.began(p.scheme())
	endServing := b.serveNodes()
	var all sync.WaitGroup
	for i := range w.clients {
		all.Go(func() { s.client(i) })
	}
	result, err := b.count(p, s.load, func(until time.Time) error {
		time.Sleep(time.Until(until))
		return nil
	})
	s.stop.Store(true)
	all.Wait()
	endServing()
	return result, errors.Join(err, s.load.err, b.node.err)
}

// client shakes hands until it is told to stop.
func (s *shakers) client(i int) {
	w := s.load.work
	config := w.tls.Clone()
	if w.resumed {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	head, at := w.head(raw.Source(i))
	buffer := make([]byte, 16<<10)
	for number, first := i, true; !s.stop.Load(); number, first = number+w.clients, false {
		began := time.Now()
		put(head[at:], number)
		resumed, err := s.request(raw.Source(i), config, head, body(number, w.down), buffer)
		took := time.Since(began)
		if err == nil && resumed != (w.resumed && !first) {
			err = fmt.Errorf("resumed: %v", resumed)
		}
		s.mu.Lock()
		s.load.count(took)
		if err != nil {
			s.load.wrong(fmt.Errorf("at the client: %w", err))
			s.stop.Store(true)
		}
		s.mu.Unlock()
	}
}

// request is one connection, from the first packet to the last.
func (s *shakers) request(from netip.Addr, config *tls.Config, head, want, buffer []byte) (resumed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	tcp, err := raw.Dial(ctx, from, s.load.to)
	if err != nil {
		return false, err
	}
	defer tcp.Close()
	tcp.SetDeadline(time.Now().Add(leaveTime))
	c := tls.Client(tcp, config)
	if _, err := c.Write(head); err != nil {
		return false, err
	}
	resumed = c.ConnectionState().DidResume
	var r reader
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return resumed, err
		}
		if done, err := r.take(buffer[:n], want); done || err != nil {
			c.Close()
			return resumed, err
		}
	}
}
