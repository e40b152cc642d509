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

	"posthouse/bench/beside"
	"posthouse/bench/measure"
	"posthouse/bench/raw"
)

// streamsRow measures the memory of idle streams: two lines of the table.
func (b *bench) streamsRow(prefix string, v variant, config *tls.Config) *row {
	var direct beside.Memory
	name := prefix + "idle stream of events, process"
	return &row{
		Lines:   []beside.Line{{Name: name, Unit: "KiB"}, {Name: name + " and kernel", Unit: "KiB"}},
		Variant: v,
		Fresh:   true,
		Before: func() (err error) {
			if err := b.quiet(); err != nil {
				return err
			}
			direct, err = b.hold(beside.Direct[variant](b.node.addrs[0]), nil)
			return err
		},
		Run: func(p *server) ([]beside.Sample, error) {
			m, err := b.hold(p, config)
			each := func(bytes int64) beside.Sample {
				return beside.Sample{Cost: float64(bytes) / 1024 / float64(b.streams)}
			}
			return []beside.Sample{each(m.Process), each(m.Process + m.Kernel - direct.Kernel)}, err
		},
	}
}

// quiet waits until what rows before have left behind is gone.
func (b *bench) quiet() error {
	defer b.loop.Serve()()
	return measure.AwaitTimeWaits(int64(b.streams) / 4)
}

// openAtATime streams: a storm would measure buffers for handshakes.
const openAtATime = 50

// hold opens streams through a server that has just been started, lets them idle, looks at the memory, and sees that all of them
// are alive. Without a server it is the nodes themselves that clients go to.
func (b *bench) hold(p *server, config *tls.Config) (m beside.Memory, err error) {
	l := &load{loop: b.loop, to: p.Addr, work: &work{method: "GET", path: "/jmap/eventsource/?types=*&closeafter=no&ping=0", tls: config}}
	b.node.began(schemeOf(p))
	clients := make([]*subscriber, 0, b.streams)
	defer func() { b.leave(clients) }()
	if err := b.turn(l, time.Now().Add(b.settle/2)); err != nil {
		return m, err
	}
	before, err := p.Memory()
	if err != nil {
		return m, err
	}
	for len(clients) < b.streams {
		for range min(openAtATime, b.streams-len(clients)) {
			c := &subscriber{load: l}
			clients = append(clients, c)
			if err := c.open(raw.Source(len(clients) - 1)); err != nil {
				return m, err
			}
		}
		if err := b.events(l, clients, 1); err != nil {
			return m, err
		}
	}
	if err := b.turn(l, time.Now().Add(b.settle)); err != nil {
		return m, err
	}
	after, err := p.Memory()
	if err != nil {
		return m, err
	}
	b.node.event()
	return after.Less(before), b.events(l, clients, 2)
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

// leave ends all from both ends. No TIME_WAIT is left of them: thousands would go while the next server is looked at.
func (b *bench) leave(clients []*subscriber) {
	for _, c := range clients {
		if c.wire != nil {
			c.wire.Reset()
		}
	}
	for c := range b.node.streams {
		c.reset()
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
	if err := c.step(); err != unix.EAGAIN { // it goes on until there is an error
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
