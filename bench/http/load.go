//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bench/measure"
	"posthouse/bench/raw"
)

// load is the clients of one run: a row, a server, a round.
type load struct {
	loop *raw.Loop
	to   netip.AddrPort
	work *work

	live     int
	stopping bool
	counting bool
	took     []time.Duration // of each request that ended while it was counting
	err      error           // the first thing that was wrong
}

// dial connects a client, and shakes hands if that is its work.
func (l *load) dial(from netip.Addr) (raw.Transport, *raw.Socket, error) {
	s, err := raw.Connect(l.loop, from, l.to)
	if err != nil || l.work.tls == nil {
		return s, s, err
	}
	t, err := raw.NewSecure(s, l.work.tls)
	if err != nil {
		unix.Close(s.FD)
		return nil, nil, err
	}
	return t, s, nil
}

// sample is what one run gave.
type sample struct {
	cost     float64 // in the row's unit
	rate     float64 // requests a second
	p50, p99 time.Duration
	busy     float64 // share of the time that the server was on its core
}

const (
	warmTime  = 250 * time.Millisecond // until pools are filled and memory is borrowed
	leaveTime = 5 * time.Second        // that the last requests may take
)

// drive puts a server to work, and returns what it cost.
func (b *bench) drive(p *peer, w *work) (sample, error) {
	l := &load{loop: b.loop, to: p.addr, work: w}
	b.node.began(p.scheme())
	for i := range w.clients {
		c := &client{load: l, from: raw.Source(i), number: i}
		c.head, c.at = w.head(c.from)
		if err := c.open(); err != nil {
			return sample{}, err
		}
		l.live++
	}
	s, err := b.count(p, l, func(until time.Time) error { return b.turn(l, until) })
	l.stopping = true
	for deadline := time.Now().Add(leaveTime); err == nil && l.live > 0; {
		if err = b.turns(l); err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%d requests have not been answered", l.live)
		}
	}
	return s, err
}

// count lets the load run: for a while without, then with looking at it.
func (b *bench) count(p *peer, l *load, run func(until time.Time) error) (s sample, err error) {
	if err = run(time.Now().Add(warmTime)); err != nil {
		return s, err
	}
	pids := p.pids()
	l.took = make([]time.Duration, 0, 1<<18)
	before, err := measure.CPU(pids)
	if err != nil {
		return s, err
	}
	began := time.Now()
	l.counting = true
	err = run(began.Add(b.duration))
	l.counting = false
	wall := time.Since(began)
	after, cpuErr := measure.CPU(pids)
	switch {
	case err != nil:
		return s, err
	case cpuErr != nil:
		return s, cpuErr
	case len(l.took) == 0:
		return s, fmt.Errorf("not one request was answered")
	}
	return l.sample(after-before, wall), nil
}

func (l *load) sample(cpu, wall time.Duration) sample {
	slices.Sort(l.took)
	n := float64(len(l.took))
	return sample{
		cost: cpu.Seconds() / n,
		rate: n / wall.Seconds(),
		p50:  measure.Percentile(l.took, 0.50),
		p99:  measure.Percentile(l.took, 0.99),
		busy: cpu.Seconds() / wall.Seconds(),
	}
}

// turn runs the loop for some time.
func (b *bench) turn(l *load, until time.Time) error {
	for time.Now().Before(until) {
		if err := b.turns(l); err != nil {
			return err
		}
	}
	return nil
}

// turns runs the loop once.
func (b *bench) turns(l *load) error {
	if err := b.loop.Turn(); err != nil {
		return err
	}
	if l.err != nil {
		return l.err
	}
	return b.node.err
}

func (l *load) count(took time.Duration) {
	if l.counting {
		l.took = append(l.took, took)
	}
}

func (l *load) wrong(err error) {
	if l.err == nil {
		l.err = err
	}
}
