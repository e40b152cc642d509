//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bench/beside"
	"posthouse/bench/raw"
)

// load is the clients of one run: a row, a server, a round.
type load struct {
	beside.Tally
	loop *raw.Loop
	to   netip.AddrPort
	work *work

	live     int
	stopping bool
	err      error // the first thing that was wrong
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

const leaveTime = 5 * time.Second // that the last requests may take

// drive puts a server to work, and returns what it cost.
func (b *bench) drive(p *server, w *work) (beside.Sample, error) {
	l := &load{loop: b.loop, to: p.Addr, work: w}
	b.node.began(schemeOf(p))
	for i := range w.clients {
		c := &client{load: l, from: raw.Source(i), number: i}
		c.head, c.at = w.head(c.from)
		if err := c.open(); err != nil {
			return beside.Sample{}, err
		}
		l.live++
	}
	s, err := l.Count(p.PIDs, b.site.Time, w.scale, func(until time.Time) error { return b.turn(l, until) })
	l.stopping = true
	for deadline := time.Now().Add(leaveTime); err == nil && l.live > 0; {
		if err = b.turns(l); err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%d requests have not been answered", l.live)
		}
	}
	return s, err
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

func (l *load) wrong(err error) {
	if l.err == nil {
		l.err = err
	}
}
