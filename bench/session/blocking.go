//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/raw"
)

// dial connects a client that blocks.
func dial(client int, to netip.AddrPort, patience time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := raw.Dial(ctx, raw.Source(client), to)
	if err == nil {
		c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

// converse says one line, and reads the answer.
func converse(c net.Conn, greets bool, line command) error {
	if greets {
		if err := expect(c, []byte(greeting)); err != nil {
			return err
		}
	}
	var buffer [lineSize]byte
	if _, err := c.Write(line.append(buffer[:0])); err != nil {
		return err
	}
	line.verb = reply
	return expect(c, line.append(buffer[:0]))
}

func expect(c net.Conn, want []byte) error {
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != string(want) {
		return fmt.Errorf("%q came, want %q: %w", got[:n], want, err)
	}
	return nil
}

// shake is drive for clients with a TLS handshake each.
func (b *bench) shake(p *server, config *tls.Config, resumed bool) (beside.Sample, error) {
	b.node.began(p)
	defer b.loop.Serve()()
	h := &beside.Handshakes{To: p.Addr, Config: config, Clients: comers, Resumed: resumed, Work: func(client, number int, c *tls.Conn) error {
		return converse(c, p.Variant.greets, command{verb: say, number: number, client: client})
	}}
	s, err := h.Count(p.PIDs, b.site.Time, microseconds)
	if err == nil {
		err = b.node.err
	}
	return s, err
}
