//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// nodeConn is a server's connection to a node: one session, or a probe.
type nodeConn struct {
	node    *node
	fd      int
	manners manners
	round   int    // of the node's, in which its client came
	from    origin // of its PROXY header
	in      []byte // not understood yet
	out     []byte // not sent yet
	down    stream // to be sent behind it
	asFile  bool
	up      stream // to come
	command command
}

var nodeBuffer = make([]byte, piece)

// Ready sends what is left, and reads until there is nothing more.
func (c *nodeConn) Ready(events uint32) {
	err := c.flush()
	if err == nil && events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		err = c.read(events)
	}
	switch err {
	case nil, unix.EAGAIN:
		return
	case io.EOF, unix.ECONNRESET, unix.EPIPE:
	default:
		if c.round == c.node.round {
			c.node.wrong(err)
		}
	}
	delete(c.node.live, c)
	c.node.loop.Close(c.fd)
}

// cut ends it with a reset.
func (c *nodeConn) cut() {
	delete(c.node.live, c)
	c.node.loop.Reset(c.fd)
}

func (c *nodeConn) read(events uint32) error {
	for {
		n, err := unix.Read(c.fd, nodeBuffer)
		switch {
		case err != nil:
			return err
		case n == 0 && c.up.left > 0:
			return fmt.Errorf("the client's bytes end %d too early", c.up.left)
		case n == 0:
			return io.EOF
		}
		if err := c.take(nodeBuffer[:n]); err != nil {
			return err
		}
		if n < len(nodeBuffer) && events&unix.EPOLLRDHUP == 0 {
			return nil
		}
	}
}

// take uses what is whole of what has come.
func (c *nodeConn) take(p []byte) (err error) {
	if len(c.in) > 0 {
		p = append(c.in, p...)
	}
	for before := -1; len(p) > 0 && len(p) != before; {
		before = len(p)
		if p, err = c.step(p); err != nil {
			return err
		}
	}
	c.in = append(c.in[:0], p...)
	return c.flush()
}

// step uses the first thing, if it is whole, and returns the rest.
func (c *nodeConn) step(p []byte) (rest []byte, err error) {
	switch {
	case c.up.left > 0:
		return c.upload(p)
	case c.manners.proxy && !c.from.known():
		return c.header(p)
	case p[0] == 'p': // no command of ours does
		return c.probe(p)
	case len(p) < lineSize:
		return p, nil
	}
	if c.command, err = parseCommand(p[:lineSize]); err != nil {
		return nil, err
	}
	return p[lineSize:], c.begin()
}

// upload checks a client's bulk, and answers at its end.
func (c *nodeConn) upload(p []byte) (rest []byte, err error) {
	n := min(len(p), c.up.left)
	if err := c.up.take(p[:n]); err != nil {
		return nil, err
	}
	if c.node.moved != nil {
		c.node.moved(n)
	}
	if c.up.left == 0 {
		c.answer()
	}
	return p[n:], nil
}

// header reads the PROXY header, and greets.
func (c *nodeConn) header(p []byte) (rest []byte, err error) {
	if c.from, rest, err = readOrigin(p); err == nil && c.from.known() && c.manners.greets {
		c.out = append(c.out, greeting...)
	}
	return rest, err
}

// probe answers the commands of a health check for IMAP.
func (c *nodeConn) probe(p []byte) (rest []byte, err error) {
	line, rest, ok := bytes.Cut(p, []byte("\r\n"))
	tag, verb, _ := bytes.Cut(line, []byte(" "))
	switch {
	case !ok:
		return nil, fmt.Errorf("a probe in pieces: %q", p)
	case string(verb) == "CAPABILITY":
		c.out = fmt.Appendf(c.out, "* CAPABILITY IMAP4rev1 IDLE\r\n%s OK done\r\n", tag)
	case string(verb) == "LOGOUT":
		c.out = fmt.Appendf(c.out, "* BYE\r\n%s OK bye\r\n", tag)
	default:
		return nil, fmt.Errorf("a probe asks for %q", line)
	}
	return rest, nil
}

// begin does what a client wants.
func (c *nodeConn) begin() error {
	if c.manners.proxy {
		if err := c.from.check(c.node.version, c.command.client); err != nil {
			return err
		}
	}
	c.node.live[c], c.round = true, c.node.round
	switch c.command.verb {
	case say:
		c.answer()
	case write, send:
		c.down, c.asFile = streamOf(c.command.number, c.command.size), c.command.verb == send
	case take:
		c.up = streamOf(c.command.number, c.command.size)
	}
	return nil
}

// answer is the line of an answer.
func (c *nodeConn) answer() {
	a := c.command
	a.verb = reply
	c.out = a.append(c.out)
}

// flush sends what the socket takes.
func (c *nodeConn) flush() error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		if err != nil {
			return err
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	for c.down.left > 0 {
		n, err := c.bulk()
		if err != nil {
			return err
		}
		c.down.skip(n)
		c.node.sent += int64(n)
	}
	return nil
}

// bulk sends a piece of a file, or writes one.
func (c *nodeConn) bulk() (int, error) {
	if !c.asFile {
		return unix.Write(c.fd, c.down.next())
	}
	at := int64(c.down.at)
	return unix.Sendfile(c.fd, c.node.file, &at, len(c.down.next()))
}
