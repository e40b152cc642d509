//go:build linux

package beside

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

// Handshakes are clients with a new TLS connection for each piece of work. A handshake costs them more than the server, so they are
// ordinary goroutines: what a loop would save is nothing.
type Handshakes struct {
	To      netip.AddrPort
	Config  *tls.Config
	Clients int  // at a time
	Resumed bool // all but the first of a client
	Work    func(client, number int, c *tls.Conn) error

	stop atomic.Bool

	mu    sync.Mutex // guards the following
	tally Tally
	err   error // the first thing that was wrong
}

// patience is how long one piece of work may take.
const patience = 5 * time.Second

// Count lets them work. The sample's cost is CPU time for a connection, times scale.
func (h *Handshakes) Count(pids func() []int, window time.Duration, scale float64) (Sample, error) {
	var all sync.WaitGroup
	for i := range h.Clients {
		all.Go(func() { h.client(i) })
	}
	s, err := h.tally.Count(pids, window, scale, func(until time.Time) error {
		time.Sleep(time.Until(until))
		return nil
	})
	h.stop.Store(true)
	all.Wait()
	return s, errors.Join(err, h.err)
}

// client shakes hands until it is told to stop.
func (h *Handshakes) client(i int) {
	config := h.Config.Clone()
	if h.Resumed {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	for number, first := i, true; !h.stop.Load(); number, first = number+h.Clients, false {
		began := time.Now()
		resumed, err := h.connection(i, number, config)
		took := time.Since(began)
		if err == nil && resumed != (h.Resumed && !first) {
			err = fmt.Errorf("resumed: %v", resumed)
		}
		h.mu.Lock()
		h.tally.Add(took)
		if err != nil && h.err == nil {
			h.err = fmt.Errorf("at the client: %w", err)
		}
		h.mu.Unlock()
		if err != nil {
			h.stop.Store(true)
		}
	}
}

// connection is one, from the first packet to the last.
func (h *Handshakes) connection(client, number int, config *tls.Config) (resumed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tcp, err := raw.Dial(ctx, raw.Source(client), h.To)
	if err != nil {
		return false, err
	}
	defer tcp.Close()
	tcp.SetDeadline(time.Now().Add(patience))
	c := tls.Client(tcp, config)
	if err := h.Work(client, number, c); err != nil {
		return false, err
	}
	resumed = c.ConnectionState().DidResume
	return resumed, c.Close()
}
