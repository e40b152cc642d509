package relay

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
)

// trickle is a connection from which bytes come in pieces of given sizes, with nothing to be read after each.
type trickle struct {
	net.Conn
	pieces []byte // of so many bytes, again and again
	next   int
	coming []byte
	pause  bool
}

func (c *trickle) Read(b []byte) (int, error) {
	if len(c.coming) == 0 {
		return 0, io.EOF
	}
	if c.pause = !c.pause; c.pause {
		return 0, errLater
	}
	size := 1
	if len(c.pieces) > 0 {
		size += int(c.pieces[c.next%len(c.pieces)])
		c.next++
	}
	n := copy(b, c.coming[:min(size, len(c.coming))])
	c.coming = c.coming[n:]
	return n, nil
}

// FuzzLater splits records anywhere, and lets each read fail for the moment before it brings something: crypto/tls loses no byte, and tells
// the announced end.
func FuzzLater(f *testing.F) {
	f.Add([]byte{}, uint16(300), true)
	f.Add([]byte{4, 0, 16}, uint16(20_000), true)
	f.Add([]byte{255}, uint16(60_000), false)
	f.Fuzz(func(t *testing.T, pieces []byte, size uint16, newest bool) {
		version := uint16(tls.VersionTLS12)
		if newest {
			version = tls.VersionTLS13
		}
		content := noise[:size]
		far, near := net.Pipe()
		settings := &tls.Config{Certificates: []tls.Certificate{identity()}, InsecureSkipVerify: true, MaxVersion: version}
		said := &recording{Conn: far}
		under := &ground{Conn: near}
		client, server := tls.Client(said, settings), tls.Server(under, settings)
		go client.Handshake()
		if err := server.Handshake(); err != nil {
			t.Fatal(err)
		}
		client.Handshake()
		said.keep = true
		client.Write(content)
		client.CloseWrite()
		under.Carry(&trickle{Conn: near, coming: said.kept, pieces: pieces})
		got := hearLater(t, server)
		if !bytes.Equal(got, content) {
			t.Errorf("%d bytes changed, of %d", len(got), len(content))
		}
	})
}

// recording keeps what is written instead of sending it.
type recording struct {
	net.Conn
	keep bool
	kept []byte
}

func (r *recording) Write(b []byte) (int, error) {
	if !r.keep {
		return r.Conn.Write(b)
	}
	r.kept = append(r.kept, b...)
	return len(b), nil
}

func hearLater(t *testing.T, c *tls.Conn) (got []byte) {
	buffer := make([]byte, 1000)
	for {
		n, err := c.Read(buffer)
		got = append(got, buffer[:n]...)
		switch {
		case err == io.EOF:
			return got
		case err != nil && !errors.Is(err, errLater):
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
	}
}
