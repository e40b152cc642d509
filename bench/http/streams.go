//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bench/measure"
	"posthouse/bench/raw"
)

// held is the memory of idle streams of events, in bytes each.
type held struct {
	process float64 // of the server
	kernel  float64 // of the whole machine: for client, server and node
}

// openAtATime streams: a storm would measure buffers for handshakes.
const openAtATime = 50

// hold opens streams through a server that has just been started, lets them idle, looks at the memory, and sees that all of them
// are alive. Without a process it is the nodes themselves that clients go to.
func (b *bench) hold(p *peer, streams int, config *tls.Config) (held, error) {
	l := &load{loop: b.loop, to: p.addr, work: &work{method: "GET", path: "/jmap/eventsource/?types=*&closeafter=no&ping=0", tls: config}}
	b.node.began(p.scheme())
	clients := make([]*subscriber, 0, streams)
	defer func() { b.leave(l, clients) }()
	if err := b.turn(l, time.Now().Add(b.settle/2)); err != nil {
		return held{}, err
	}
	before, err := memory(p)
	if err != nil {
		return held{}, err
	}
	for len(clients) < streams {
		for range min(openAtATime, streams-len(clients)) {
			c := &subscriber{load: l}
			clients = append(clients, c)
			if err := c.open(raw.Source(len(clients) - 1)); err != nil {
				return held{}, err
			}
		}
		if err := b.events(l, clients, 1); err != nil {
			return held{}, err
		}
	}
	if err := b.turn(l, time.Now().Add(b.settle)); err != nil {
		return held{}, err
	}
	after, err := memory(p)
	if err != nil {
		return held{}, err
	}
	b.node.event()
	n := float64(streams)
	return held{(after.process - before.process) / n, (after.kernel - before.kernel) / n}, b.events(l, clients, 2)
}

// memory is what a server and the kernel hold in all.
func memory(p *peer) (held, error) {
	kernel, err := measure.KernelMemory()
	if err != nil || p.process == nil {
		return held{kernel: float64(kernel)}, err
	}
	process, err := measure.PSS(p.process.PIDs())
	return held{float64(process), float64(kernel)}, err
}

// events waits until every client has seen so many.
func (b *bench) events(l *load, clients []*subscriber, want int) error {
	for deadline := time.Now().Add(leaveTime); ; {
		missing := 0
		for _, c := range clients {
			if c.events < want {
				missing++
			}
		}
		switch {
		case missing == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%d of %d streams have not seen event %d", missing, len(clients), want)
		}
		if err := b.turns(l); err != nil {
			return err
		}
	}
}

// leave closes all, and waits until the nodes have noticed, so that nothing of this is left for the next one.
func (b *bench) leave(l *load, clients []*subscriber) {
	for _, c := range clients {
		if c.wire != nil {
			c.wire.Close()
		}
	}
	for deadline := time.Now().Add(leaveTime); len(b.node.streams) > 0 && time.Now().Before(deadline); {
		if b.turns(l) != nil {
			return
		}
	}
}

// subscriber is a client of a stream.
type subscriber struct {
	load   *load
	wire   raw.Transport
	out    []byte
	in     []byte // not understood yet
	inside bool   // the head has ended
	events int
}

// open connects, shakes hands, and has the request ready.
func (c *subscriber) open(from netip.Addr) error {
	var s *raw.Socket
	var err error
	if c.wire, s, err = c.load.dial(from); err != nil {
		return err
	}
	c.out, _ = c.load.work.head(from)
	return c.load.loop.Add(s.FD, c)
}

// Ready sends the request, and reads what there is.
func (c *subscriber) Ready(uint32) {
	if err := c.step(); err != nil && err != unix.EAGAIN {
		c.load.wrong(fmt.Errorf("a stream, after %d events: %w", c.events, err))
	}
}

func (c *subscriber) step() error {
	for len(c.out) > 0 {
		n, err := c.wire.Write(c.out)
		if err != nil {
			return err
		}
		c.out = c.out[n:]
	}
	if err := c.wire.Flush(); err != nil {
		return err
	}
	for {
		n, err := c.wire.Read(clientBuffer)
		if err != nil {
			return err
		}
		c.in = append(c.in, clientBuffer[:n]...)
		if err := c.understand(); err != nil {
			return err
		}
	}
}

// understand takes the head and whole chunks out of what has come.
func (c *subscriber) understand() error {
	if !c.inside {
		end := headLength(c.in)
		if end == 0 {
			return nil
		}
		m, err := parse(c.in[:end])
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(m.start, []byte(fine)) || !m.chunked {
			return fmt.Errorf("the response is %q, chunked %v", m.start, m.chunked)
		}
		c.inside, c.in = true, c.in[end:]
	}
	for {
		chunk, rest, ok := cutChunk(c.in)
		if !ok {
			return nil
		}
		if !bytes.Equal(chunk, eventText(c.events)) {
			return fmt.Errorf("an event is %q", chunk)
		}
		c.events, c.in = c.events+1, rest
	}
}

// cutChunk cuts the first chunk off, if it is whole.
func cutChunk(p []byte) (data, rest []byte, ok bool) {
	size, rest, ok := bytes.Cut(p, crlf)
	if !ok {
		return nil, p, false
	}
	n, err := strconv.ParseUint(string(size), 16, 31)
	if err != nil || len(rest) < int(n)+len(crlf) {
		return nil, p, false
	}
	return rest[:n], rest[int(n)+len(crlf):], true
}
