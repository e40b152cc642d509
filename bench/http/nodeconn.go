//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// nodeConn is a server's connection to a node: one request after another.
type nodeConn struct {
	node *node
	fd   int
	in   []byte // of a head that has not ended
	out  []byte // of a response: head and what goes out with it
	sent int    // of out
	rest []byte // of the response's body, not sent yet

	// Of a request whose body is coming.
	request request
	got     int // bytes of its body

	events int // sent, of a stream
}

// request is what a client wants of a node.
type request struct {
	number   int // of the text in the bodies
	up, down int // bytes of the body and of the response's
	busy     bool
}

const (
	firstRoom = 2 << 10 // more than any head of this benchmark
	readRoom  = 256 << 10
)

var nodeBuffer = make([]byte, readRoom)

// Ready sends what is left, and reads until there is nothing more.
func (c *nodeConn) Ready(events uint32) {
	if err := c.flush(); err != nil {
		c.close()
		return
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	for {
		n, err := unix.Read(c.fd, nodeBuffer)
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0:
			if c.request.busy && c.got > 0 {
				c.node.wrong(fmt.Errorf("a body ended after %d of %d bytes", c.got, c.request.up))
			}
			c.close()
			return
		}
		if err := c.take(nodeBuffer[:n]); err != nil {
			c.node.wrong(err)
			c.close()
			return
		}
		if n < len(nodeBuffer) && events&unix.EPOLLRDHUP == 0 {
			return
		}
	}
}

func (c *nodeConn) close() {
	delete(c.node.streams, c)
	c.node.loop.Close(c.fd)
}

// reset is close, with no TIME_WAIT after it.
func (c *nodeConn) reset() {
	delete(c.node.streams, c)
	c.node.loop.Reset(c.fd)
}

// take uses bytes as a body's or as a head's.
func (c *nodeConn) take(p []byte) error {
	for len(p) > 0 {
		if c.request.busy {
			n := min(len(p), c.request.up-c.got)
			if !bytes.Equal(p[:n], body(c.request.number, c.request.up)[c.got:c.got+n]) {
				return fmt.Errorf("request %d: its body differs in bytes %d to %d", c.request.number, c.got, c.got+n)
			}
			c.got, p = c.got+n, p[n:]
		} else {
			var err error
			if p, err = c.head(p); err != nil {
				return err
			}
		}
		if c.request.busy && c.got == c.request.up {
			c.request.busy = false
			if err := c.answer(); err != nil {
				return err
			}
		}
	}
	return nil
}

// head reads a head as far as it has come, and returns what is behind it.
func (c *nodeConn) head(p []byte) (rest []byte, err error) {
	whole := p
	if len(c.in) > 0 {
		c.in = append(c.in, p...)
		whole = c.in
	}
	end := bytes.Index(whole, headEnd)
	if end < 0 {
		if len(c.in) == 0 {
			c.in = append(c.in, p...)
		}
		return nil, nil
	}
	end += len(headEnd)
	m, err := parse(whole[:end])
	if err == nil {
		err = c.begin(&m)
	}
	c.in = c.in[:0]
	return p[len(p)-(len(whole)-end):], err
}

// begin answers those who only ask whether we are there, and notes what the others want.
func (c *nodeConn) begin(m *message) error {
	_, target, _ := bytes.Cut(m.start, []byte(" "))
	switch {
	case bytes.HasPrefix(target, []byte("/healthz")):
		return c.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	case bytes.HasPrefix(target, []byte("/jmap/ready")):
		return c.say("HTTP/1.1 204 No Content\r\n\r\n")
	case bytes.HasPrefix(target, []byte("/jmap/eventsource")):
		return c.stream(m)
	}
	if err := c.forwarded(m); err != nil {
		return err
	}
	c.request = request{number: number(m.start, "number="), up: max(m.length, 0), down: number(m.start, "down="), busy: true}
	c.got = 0
	if c.request.number < 0 || c.request.down < 0 || c.request.up > bodySize || c.request.down > bodySize || m.chunked {
		return fmt.Errorf("a request that nobody sent: %q, length %d, chunked %v", m.start, m.length, m.chunked)
	}
	return nil
}

func (c *nodeConn) forwarded(m *message) error {
	if c.node.scheme == "" {
		return nil
	}
	return m.forwarded.check(c.node.scheme)
}

func (c *nodeConn) say(words string) error {
	c.queue([]byte(words))
	return c.flush()
}

func (c *nodeConn) stream(m *message) error {
	if err := c.forwarded(m); err != nil {
		return err
	}
	c.queue([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"))
	c.queue(eventChunk(0))
	c.events = 1
	c.node.streams[c] = true
	return c.flush()
}

// withHead is how much of a body goes out together with its head.
const withHead = 16 << 10

// answer sends the response that was asked for.
func (c *nodeConn) answer() error {
	b := body(c.request.number, c.request.down)
	c.out = append(c.out, "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n"+
		"Cache-Control: no-cache, no-store, must-revalidate\r\nContent-Length: "...)
	c.out = append(strconv.AppendInt(c.out, int64(len(b)), 10), "\r\n\r\n"...)
	first := min(len(b), withHead)
	c.out = append(c.out, b[:first]...)
	c.rest = b[first:]
	return c.flush()
}

func (c *nodeConn) queue(p []byte) { c.out = append(c.out, p...) }

// flush sends what the socket takes.
func (c *nodeConn) flush() error {
	for c.sent < len(c.out) || len(c.rest) > 0 {
		part := c.out[c.sent:]
		bulk := len(part) == 0
		if bulk {
			part = c.rest
		}
		n, err := unix.Write(c.fd, part)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return fmt.Errorf("a response: %w", err)
		case bulk:
			c.rest = c.rest[n:]
		default:
			c.sent += n
		}
	}
	c.out, c.sent = c.out[:0], 0
	return nil
}
