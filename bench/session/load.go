//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/raw"
)

// work is what clients do, over and over.
type work struct {
	verb    verb
	size    int         // of bulk
	clients int         // at a time
	each    bool        // a new session each
	idle    int         // sessions beside them on which nothing happens
	fast    int         // bytes of bulk after which a client reads no more; 0: it goes on
	tls     *tls.Config // nil: plain
	scale   float64     // from seconds of CPU to the line's unit
}

// load is the clients of one run: a row, a server, a round.
type load struct {
	beside.Tally
	bench    *bench
	loop     *raw.Loop
	to       netip.AddrPort
	greets   bool
	work     *work
	clients  []*client
	live     int
	stopping bool
	err      error // the first thing that was wrong
}

// newLoad is the first load of a measurement.
func (b *bench) newLoad(p *server, w *work) *load {
	for _, l := range b.loads {
		l.abandon()
	}
	b.node.began(p)
	l := &load{bench: b, loop: b.loop, to: p.Addr, greets: p.Variant.greets, work: w}
	b.loads = []*load{l}
	return l
}

// abandon closes what a measurement that failed has left open.
func (l *load) abandon() {
	for _, c := range l.clients {
		c.leave()
	}
}

// beside is another load of the same server.
func (l *load) beside(w *work) *load {
	second := &load{bench: l.bench, loop: l.loop, to: l.to, greets: l.greets, work: w}
	l.bench.loads = append(l.bench.loads, second)
	return second
}

// dial connects a client, and shakes hands if that is its work.
func (l *load) dial(from netip.Addr) (raw.Transport, int, error) {
	s, err := raw.Connect(l.loop, from, l.to)
	if err != nil {
		return nil, 0, err
	}
	if l.work.tls == nil {
		return s, s.FD, nil
	}
	t, err := raw.NewSecure(s, l.work.tls)
	if err != nil {
		s.Close()
		return nil, 0, err
	}
	return t, s.FD, nil
}

// open adds a client.
func (l *load) open() error {
	i := len(l.clients)
	c := &client{load: l, index: i, from: raw.Source(i), command: command{number: i}}
	if err := c.open(); err != nil {
		return err
	}
	l.clients = append(l.clients, c)
	l.live++
	return nil
}

const leaveTime = 20 * time.Second // that the last answers may take, of bulk on a busy machine

// openAll adds the clients that the work is for.
func (l *load) openAll() error {
	for range l.work.clients {
		if err := l.open(); err != nil {
			return err
		}
	}
	return nil
}

// drive puts a server to work, and returns what it cost.
func (b *bench) drive(p *server, w *work) (s beside.Sample, err error) {
	l := b.newLoad(p, w)
	if w.verb == take {
		b.node.moved = func(n int) { l.Moved(float64(n) / gigabyte) }
	}
	idle := l.beside(&work{verb: say, clients: w.idle, tls: w.tls})
	if err := idle.hold(w.idle); err != nil {
		return s, err
	}
	if err := l.openAll(); err != nil {
		return s, err
	}
	if s, err = l.Count(p.PIDs, b.site.Time, w.scale, l.run); err != nil {
		return s, err
	}
	if err := l.finish(); err != nil {
		return s, err
	}
	return s, idle.release()
}

// finish lets the clients get their answers and leave.
func (l *load) finish() error {
	l.stopping = true
	if err := l.until(leaveTime, func() bool { return l.live == 0 }); err != nil {
		return fmt.Errorf("%d clients have no answer: %w", l.live, err)
	}
	return nil
}

// gone waits until the nodes have noticed that the clients are, so that nothing of this is left for the next one.
func (l *load) gone() error {
	node := l.bench.node
	if err := l.until(leaveTime, func() bool { return len(node.live) == 0 }); err != nil {
		return fmt.Errorf("%d sessions have not ended at the nodes: %w", len(node.live), err)
	}
	return nil
}

// run runs the loop for some time.
func (l *load) run(until time.Time) error {
	for time.Now().Before(until) {
		if err := l.turn(); err != nil {
			return err
		}
	}
	return nil
}

// until runs the loop until something is so.
func (l *load) until(limit time.Duration, so func() bool) error {
	for deadline := time.Now().Add(limit); !so(); {
		if err := l.turn(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", limit)
		}
	}
	return nil
}

// turn runs the loop once.
func (l *load) turn() error {
	if err := l.loop.Turn(); err != nil {
		return err
	}
	if l.err != nil {
		return l.err
	}
	return l.bench.node.err
}

func (l *load) wrong(err error) {
	if l.err == nil {
		l.err = err
	}
}
