//go:build linux

package main

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"posthouse/bench/raw"
)

// node is the nodes of the cluster: one for each address of 127.16.0.0/16. It checks what comes byte by byte.
type node struct {
	loop  *raw.Loop
	ports map[manners]uint16
	file  int // has the text, for those who want a file

	round   int                // of measurements: what sessions of another one do is not looked at
	version byte               // of the PROXY header that clients come with through the server that is measured
	live    map[*nodeConn]bool // sessions of clients
	moved   func(bytes int)    // what has come from clients in bulk; nil: nobody counts it
	sent    int64              // in bulk
	err     error              // the first thing that was wrong
}

// manners are what is different between the ports of a node.
type manners struct {
	greets bool // it speaks first, like IMAP
	proxy  bool // it wants a PROXY header
}

const greeting = "* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n"

func newNode(l *raw.Loop) (*node, error) {
	n := &node{loop: l, ports: map[manners]uint16{}}
	var err error
	if n.file, err = unix.MemfdCreate("text", unix.MFD_CLOEXEC); err != nil {
		return nil, err
	}
	if _, err := unix.Write(n.file, text); err != nil {
		return nil, err
	}
	for _, m := range []manners{{}, {greets: true}, {proxy: true}, {greets: true, proxy: true}} {
		listener, err := raw.Listen(l, func(fd int) { n.accepted(fd, m) }, n.wrong)
		if err != nil {
			return nil, err
		}
		n.ports[m] = listener.Port
	}
	return n, nil
}

// addresses of so many nodes.
func (n *node) addresses(m manners, count int) []netip.AddrPort {
	all := make([]netip.AddrPort, count)
	for i := range all {
		all[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 16, byte(i / 250), byte(i%250 + 1)}), n.ports[m])
	}
	return all
}

func (n *node) accepted(fd int, m manners) {
	c := &nodeConn{node: n, fd: fd, manners: m}
	if m.greets && !m.proxy {
		c.out = append(c.out, greeting...)
	}
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

// began prepares for clients that come through a server.
func (n *node) began(p *server) {
	n.round++
	n.live = map[*nodeConn]bool{}
	n.err, n.moved, n.sent, n.version = nil, nil, 0, 0
	if p.Variant.proxy && !p.Direct() {
		n.version = proxyVersion(p.Kind)
	}
}
