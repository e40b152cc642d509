//go:build linux

package main

import (
	"fmt"
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/measure"
)

const (
	stalledReaders = 8
	stalledSize    = 1_000_000_000
	stalledGet     = 64 << 20 // bytes each that they read in the end, to see that all is as it was
	stallTime      = 20 * time.Second
)

// stalled is the memory of clients that want much and read nothing, of a server that has done nothing else.
func (b *bench) stalled(p *server) (m beside.Memory, err error) {
	l := b.newLoad(p, &work{verb: write, size: stalledSize, clients: stalledReaders})
	if err := l.run(time.Now().Add(b.settle / 2)); err != nil {
		return m, err
	}
	before, err := heldBytes(p)
	if err != nil {
		return m, err
	}
	for i := range stalledReaders {
		if err := l.open(); err != nil {
			return m, err
		}
		l.clients[i].deaf = true
	}
	if err := l.stuck(); err != nil {
		return m, err
	}
	after, err := heldBytes(p)
	if err != nil {
		return m, err
	}
	return after.Less(before), l.wake()
}

// heldBytes is what a server holds, and all sockets and its pipes. Slabs are left out: eight sessions have few, and the rest of the
// machine moves them by more.
func heldBytes(p *server) (m beside.Memory, err error) {
	if m, err = p.Memory(); err != nil {
		return m, err
	}
	if m.Kernel, err = measure.SocketBuffers(); err != nil || p.Direct() {
		return m, err
	}
	pipes, err := measure.PipeBytes(p.PIDs())
	m.Kernel += pipes
	return m, err
}

// stuck waits until the nodes have not got a byte off for a while.
func (l *load) stuck() error {
	node := l.bench.node
	var sent int64
	moved := time.Now()
	err := l.until(stallTime, func() bool {
		if node.sent != sent {
			sent, moved = node.sent, time.Now()
		}
		return sent > 0 && time.Since(moved) > l.bench.settle
	})
	if err != nil {
		return fmt.Errorf("readers that do not read got %d MB: %w", node.sent/1e6, err)
	}
	return nil
}

// wake lets them read, and leave before the end.
func (l *load) wake() error {
	for _, c := range l.clients {
		c.deaf = false
		c.Ready(0)
	}
	err := l.until(stallTime, func() bool {
		for _, c := range l.clients {
			if c.moved() < stalledGet {
				return false
			}
			c.deaf = true
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("readers that read again, %v bytes of %d so far: %w", l.moved(), stalledGet, err)
	}
	for _, c := range l.clients {
		c.leave()
	}
	return l.gone()
}

// moved is how much a reader has got.
func (c *client) moved() int { return c.command.size - c.down.left }

func (l *load) moved() (each []int) {
	for _, c := range l.clients {
		each = append(each, c.moved())
	}
	return each
}

// stalledRow is about what the server needs beyond the sockets of clients and nodes.
func (b *bench) stalledRow() *row {
	var direct beside.Memory
	return &row{
		Lines: []beside.Line{{Name: "8 stalled readers of 1 GB each, process, sockets and pipes", Unit: "MiB", Goal: beside.Goal{Ratio: 1.0, To: haproxy}}},
		Fresh: true,
		Before: func() (err error) {
			direct, err = b.stalled(beside.Direct[variant](b.node.addresses(manners{}, 1)[0]))
			return err
		},
		Run: func(p *server) ([]beside.Sample, error) {
			m, err := b.stalled(p)
			return []beside.Sample{{Cost: float64(m.Process+m.Kernel-direct.Kernel) / (1 << 20)}}, err
		},
	}
}
