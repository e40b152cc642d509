//go:build linux

package main

import (
	"crypto/tls"

	"posthouse/bench/beside"
	"posthouse/bench/raw"
)

// shake is drive for clients with a new TLS connection for each request.
func (b *bench) shake(p *server, w *work) (beside.Sample, error) {
	b.node.began(schemeOf(p))
	defer b.loop.Serve()()
	h := &beside.Handshakes{To: p.Addr, Config: w.tls, Clients: w.clients, Resumed: w.resumed, Work: func(client, number int, c *tls.Conn) error {
		return exchange(w, client, number, c)
	}}
	s, err := h.Count(p.PIDs, b.site.Time, w.scale)
	if err == nil {
		err = b.node.err
	}
	return s, err
}

// exchange asks once, and reads the response.
func exchange(w *work, client, number int, c *tls.Conn) error {
	head, at := w.head(raw.Source(client))
	put(head[at:], number)
	if _, err := c.Write(head); err != nil {
		return err
	}
	want, buffer := body(number, w.down), make([]byte, 16<<10)
	var r reader
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return err
		}
		if done, err := r.take(buffer[:n], want); done || err != nil {
			return err
		}
	}
}
