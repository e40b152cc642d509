//go:build linux

package main

import (
	"fmt"
	"net/netip"

	"posthouse/bench/raw"
)

// node is the nodes of the cluster: one listener for all of their addresses. It checks requests byte by byte.
type node struct {
	loop  *raw.Loop
	addrs []netip.AddrPort

	// Of the row that is measured.
	scheme  string // of the clients; empty: they come directly, and nobody forwards anything
	streams map[*nodeConn]bool
	err     error // the first thing that was wrong
}

// nodeCount: routing has something to choose from, and every pool stays warm.
const nodeCount = 4

func newNode(l *raw.Loop) (*node, error) {
	n := &node{loop: l, streams: map[*nodeConn]bool{}}
	listener, err := raw.Listen(l, n.accepted, n.wrong)
	if err != nil {
		return nil, err
	}
	for i := range nodeCount {
		n.addrs = append(n.addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 2, byte(i + 1)}), listener.Port))
	}
	return n, nil
}

func (n *node) accepted(fd int) {
	c := &nodeConn{node: n, fd: fd, in: make([]byte, 0, firstRoom)}
	if err := n.loop.Add(fd, c); err != nil {
		n.wrong(err)
	}
}

// wrong keeps what is wrong first; what follows is mostly its consequence.
func (n *node) wrong(err error) {
	if n.err == nil {
		n.err = fmt.Errorf("at the node: %w", err)
	}
}

// began prepares for clients that come by a scheme through a server, or directly.
func (n *node) began(scheme string) { n.scheme, n.err = scheme, nil }

// event sends the next one to every stream.
func (n *node) event() {
	for c := range n.streams {
		c.queue(eventChunk(c.events))
		c.events++
		if c.flush() != nil {
			c.close()
		}
	}
}

// eventChunk is an event of a stream, as a chunk.
func eventChunk(number int) []byte {
	event := eventText(number)
	return fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
}

// eventText is what a client is to see. Push of JMAP looks like this (RFC 8620, 7.3).
func eventText(number int) []byte {
	return fmt.Appendf(nil, "event: state\ndata: {\"@type\":\"StateChange\",\"changed\":{\"a\":{\"Email\":\"%08d\"}}}\n\n", number)
}
