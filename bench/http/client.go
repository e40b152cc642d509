//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bench/raw"
)

// client sends requests one after another, over one connection or over a new one for each.
type client struct {
	load   *load
	from   netip.Addr
	wire   raw.Transport
	number int // of the request
	head   []byte
	at     int // of the number in head
	began  time.Time

	out  []byte // of the request, not sent yet
	rest []byte // of its body
	response
}

// response is what is to come.
type response struct {
	reader
	want []byte
}

// open connects, and has the first request ready.
func (c *client) open() (err error) {
	var s *raw.Socket
	if c.wire, s, err = c.load.dial(c.from); err != nil {
		return err
	}
	c.ask()
	return c.load.loop.Add(s.FD, c) // which says that it can be written
}

// ask makes the next request. Numbers of different clients differ.
func (c *client) ask() {
	w := c.load.work
	c.number += w.clients
	put(c.head[c.at:], c.number)
	c.out, c.rest = c.head, body(c.number, w.up)
	c.want = body(c.number, w.down)
	c.began = time.Now()
}

// Ready goes on until the socket would block.
func (c *client) Ready(events uint32) {
	if err := c.step(events); err != nil && err != unix.EAGAIN {
		c.load.wrong(fmt.Errorf("at the client: %w", err))
		c.leave()
	}
}

func (c *client) step(events uint32) error {
	if err := c.send(); err != nil && err != unix.EAGAIN {
		return err
	}
	return raw.ReadAll(c.wire, events, clientBuffer, c.took)
}

// took uses what has come.
func (c *client) took(p []byte) (raw.Transport, error) {
	done, err := c.take(p, c.want)
	if err == nil && done {
		err = c.next()
	}
	return c.wire, err
}

var clientBuffer = make([]byte, readRoom)

// send sends what the socket takes. A small body goes out together with its head.
func (c *client) send() error {
	if len(c.out) > 0 && len(c.rest) > 0 && len(c.rest) <= withHead {
		c.out, c.rest = append(c.out[:len(c.out):len(c.out)], c.rest...), nil
	}
	for len(c.out)+len(c.rest) > 0 {
		part := &c.out
		if len(c.out) == 0 {
			part = &c.rest
		}
		n, err := c.wire.Write(*part)
		if err != nil {
			return err
		}
		*part = (*part)[n:]
	}
	return c.wire.Flush()
}

// next counts the request, and sends another one.
func (c *client) next() error {
	l := c.load
	l.Add(time.Since(c.began))
	if l.stopping {
		c.leave()
		return nil
	}
	if l.work.each {
		c.wire.Close()
		c.wire = nil
		return c.open()
	}
	c.ask()
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
	}
	c.load.live--
}
