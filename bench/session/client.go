//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bench/raw"
)

// client has sessions, one after another, and says one thing after another in each.
type client struct {
	load    *load
	index   int
	from    netip.Addr
	wire    raw.Transport
	command command // the last that was given
	began   time.Time
	said    int  // answers, in all of its sessions
	mute    bool // it says nothing more of itself
	deaf    bool // it does not read

	out     []byte // not sent yet
	up      stream // to be sent behind it
	want    []byte // a line that is to come
	down    stream // to come behind it
	spent   []byte // of out: the buffer
	wanting []byte // of want
}

// open connects. The first thing is said when the connection stands, or when the node has greeted.
func (c *client) open() error {
	var fd int
	var err error
	if c.wire, fd, err = c.load.dial(c.from); err != nil {
		return err
	}
	c.began = time.Now()
	if c.load.greets {
		c.want = append(c.wanting[:0], greeting...)
		c.wanting = c.want
	} else {
		c.ask()
	}
	return c.load.loop.Add(fd, c) // which says that it can be written
}

// ask says the next thing. Numbers of different clients differ.
func (c *client) ask() {
	w := c.load.work
	c.command.verb, c.command.client, c.command.size = w.verb, c.index, w.size
	c.command.number = (c.command.number + w.clients) % 100_000_000
	c.out = c.command.append(c.spent[:0])
	c.spent = c.out
	switch w.verb {
	case write, send:
		c.down = streamOf(c.command.number, w.size)
		return
	case take:
		c.up = streamOf(c.command.number, w.size)
	}
	answer := c.command
	answer.verb = reply
	c.want = answer.append(c.wanting[:0])
	c.wanting = c.want
}

// Ready goes on until the socket would block.
func (c *client) Ready(events uint32) {
	if c.wire == nil {
		return
	}
	if err := c.step(events); err != nil && err != unix.EAGAIN {
		c.load.wrong(fmt.Errorf("client %d, after %d answers: %w", c.index, c.said, err))
		c.leave()
	}
}

func (c *client) step(events uint32) error {
	if err := c.send(); err != nil && err != unix.EAGAIN {
		return err
	}
	return raw.ReadAll(c.listening(), events, clientBuffer, func(p []byte) (raw.Transport, error) {
		err := c.take(p)
		return c.listening(), err
	})
}

// listening is what it reads from.
func (c *client) listening() raw.Transport {
	if c.deaf {
		return nil
	}
	return c.wire
}

var clientBuffer = make([]byte, piece)

// send sends what the socket takes.
func (c *client) send() error {
	for len(c.out) > 0 {
		n, err := c.wire.Write(c.out)
		if err != nil {
			return err
		}
		c.out = c.out[n:]
	}
	for c.up.left > 0 {
		n, err := c.wire.Write(c.up.next())
		if err != nil {
			return err
		}
		c.up.skip(n)
	}
	return c.wire.Flush()
}

// take compares what has come with what is to come.
func (c *client) take(p []byte) error {
	n := min(len(p), len(c.want))
	if string(p[:n]) != string(c.want[:n]) {
		return fmt.Errorf("%q came, want %q", p[:n], c.want)
	}
	c.want, p = c.want[n:], p[n:]
	if len(p) > 0 {
		if err := c.down.take(p); err != nil {
			return err
		}
		c.load.Moved(float64(len(p)) / gigabyte)
		c.deaf = c.deaf || c.load.work.fast > 0 && c.moved() >= c.load.work.fast
	}
	if len(c.want) > 0 || c.down.left > 0 {
		return nil
	}
	return c.next()
}

// next is called when all that was to come has come.
func (c *client) next() error {
	l := c.load
	if c.out == nil { // the greeting: nothing was said yet
		c.ask()
		return c.trySend()
	}
	c.said++
	if l.work.size == 0 {
		l.Add(time.Since(c.began))
	}
	switch {
	case l.stopping:
		c.leave()
		return nil
	case c.mute:
		return nil
	case l.work.each:
		c.wire.Close()
		c.wire, c.out = nil, nil
		return c.open()
	}
	return c.again()
}

// again says the next thing in the same session.
func (c *client) again() error {
	c.began = time.Now()
	c.ask()
	return c.trySend()
}

func (c *client) trySend() error {
	if err := c.send(); err != nil && err != unix.EAGAIN {
		return err
	}
	return nil
}

// leave ends the client.
func (c *client) leave() {
	if c.wire != nil {
		c.wire.Close()
		c.wire = nil
		c.load.live--
	}
}
