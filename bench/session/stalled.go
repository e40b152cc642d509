//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/measure"
)

const (
	stalledReaders = 8
	stalledSize    = 1_000_000_000
	stalledGet     = 64 << 20 // bytes each that they read in the end, to see that all is as it was
	stalledFast    = 64 << 20 // that they read before they stall
	stallTime      = 20 * time.Second
)

// stalled is the memory of clients that want much, read so much of it and then nothing, of a server that has done nothing else.
func (b *bench) stalled(p *server, w work) (bytes int64, err error) {
	fast := w.fast
	l := b.newLoad(p, &w)
	if err := l.run(time.Now().Add(b.settle / 2)); err != nil {
		return 0, err
	}
	before, err := heldBytes(p)
	if err != nil {
		return 0, err
	}
	for i := range stalledReaders {
		if err := l.open(); err != nil {
			return 0, err
		}
		l.clients[i].deaf = fast == 0
	}
	if err := l.stuck(); err != nil {
		return 0, err
	}
	after, err := heldBytes(p)
	if err != nil {
		return 0, err
	}
	return after - before, l.wake(fast + stalledGet)
}

// heldBytes is what the processes of a server hold, and its sockets and pipes. Slabs are left out: eight sessions have few, and the rest
// of the machine moves them by more. What waits at the node and at the reader is not the server's.
func heldBytes(p *server) (bytes int64, err error) {
	if bytes, err = measure.PSS(p.PIDs()); err != nil {
		return 0, err
	}
	queues, err := measure.Queues(p.PIDs())
	return bytes + queues, err
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

// wake lets them read until they have got so much, and leave before the end.
func (l *load) wake(most int) error {
	l.work.fast = 0
	for _, c := range l.clients {
		c.deaf = false
		c.Ready(0)
	}
	err := l.until(stallTime, func() bool {
		for _, c := range l.clients {
			if c.moved() < most {
				return false
			}
			c.deaf = true
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("readers that read again, %v bytes of %d so far: %w", l.moved(), most, err)
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

// stalledRows are about what the server needs for readers that stall, at once and after some bytes.
func (b *bench) stalledRows(prefix string, v variant, config *tls.Config) []*row {
	w := work{verb: write, size: stalledSize, clients: stalledReaders, tls: config}
	late := w
	late.fast = stalledFast
	return []*row{
		b.stalledRow(prefix+"8 stalled readers of 1 GB each", v, w),
		b.stalledRow(fmt.Sprintf("%s8 readers of 1 GB each that stall after %d MiB", prefix, stalledFast>>20), v, late),
	}
}

func (b *bench) stalledRow(name string, v variant, w work) *row {
	return &row{
		Lines:   []beside.Line{{Name: name + ", process, sockets and pipes", Unit: "MiB", Goal: beside.Goal{Ratio: 1.0, To: haproxy}}},
		Variant: v,
		Fresh:   true,
		Run: func(p *server) ([]beside.Sample, error) {
			bytes, err := b.stalled(p, w)
			return []beside.Sample{{Cost: float64(bytes) / (1 << 20)}}, err
		},
	}
}
