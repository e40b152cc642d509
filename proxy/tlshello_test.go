package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHelloInPieces(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	for name, cut := range map[string]func([]byte) [][]byte{
		"byte by byte": func(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 1)) },
		"in records":   func(b []byte) [][]byte { return [][]byte{records(b, 7)} },
		"both":         func(b []byte) [][]byte { return slices.Collect(slices.Chunk(records(b, 100), 3)) },
	} {
		raw := g.dial()
		c := tls.Client(&pieces{Conn: raw, cut: cut}, &tls.Config{ServerName: "a.example", RootCAs: g.ca.pool})
		if err := c.Handshake(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		talk(t, c)
		leave(t, c)
	}
}

func TestBadHellos(t *testing.T) {
	usual := helloFor(t, "a.example")
	for _, row := range []struct {
		name string
		act  func(*peer)
		end  string
	}{
		{"plain text", func(c *peer) { c.say("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") }, "hello"},
		{"half a hello", func(c *peer) { c.Write(usual[:100]); c.CloseWrite() }, "hello"},
		{"nothing", func(c *peer) { c.CloseWrite() }, "left"},
		{"an alert", func(c *peer) { c.Write([]byte{21, 3, 1, 0, 2, 1, 0}) }, "hello"},
		{"an announced 16 MiB", func(c *peer) { c.Write([]byte{22, 3, 1, 0, 4, 1, 255, 255, 255}) }, "hello"},
		{"64 KiB in tiny records", func(c *peer) {
			io.Copy(c.TCPConn, io.LimitReader(io.MultiReader(strings.NewReader("\x16\x03\x01\x00\x04\x01\x00\xff\xff"), &tiny{}), 1<<20))
		}, "hello"},
		{"a hello of half a MiB", func(c *peer) {
			io.Copy(c.TCPConn, io.LimitReader(io.MultiReader(strings.NewReader("\x16\x03\x01\x40\x00\x01\x07\xff\xff"), zeros{}), 1<<19))
		}, "hello"},
		{"gone after the hello", func(c *peer) { c.Write(usual); c.CloseWrite() }, "handshake"},
		{"garbage after the hello", func(c *peer) { c.Write(usual); c.say(strings.Repeat("x", 1000)) }, "handshake"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newGate(t, nil, []string{"a.example"})
			c := g.dial()
			row.act(c)
			c.hearRest()
			g.expectEnd(row.end)
		})
	}
}

// A client that says no more is given up in helloTime, and at once when the process ends.
func TestSlowHello(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	for _, part := range []string{"", "\x16\x03\x01", string(helloFor(t, "a.example"))} {
		g.dial().say(part)
	}
	eventually(t, "three sessions", func() bool { return g.server.Sessions() == 3 })
	g.server.endLife()
	for n := range 3 {
		if why := g.result(n + 1); why != endShutdown {
			t.Errorf("end = %s", why)
		}
	}
}

// The deadline covers the whole of the handshake, not each read.
func TestHandshakeTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a handshake may")
	}
	t.Parallel()
	g := newGate(t, nil, []string{"a.example"})
	c := g.dial()
	began := time.Now()
	c.SetDeadline(began.Add(3 * helloTime))
	hello := helloFor(t, "a.example")
	for i := 0; i < 60 && time.Since(began) < 2*helloTime; i++ {
		if _, err := c.Write(hello[i : i+1]); err != nil {
			break
		}
		c.SetReadDeadline(time.Now().Add(helloTime / 20))
		if _, err := c.Read(make([]byte, 1)); !isTimeout(err) {
			break
		}
	}
	if why := g.result(1); why != endHello {
		t.Errorf("end = %s", why)
	}
}

// Whatever a handshake comes to, nothing is left open.
func TestHandshakesLeaveNothing(t *testing.T) {
	g := newGate(t, nil, []string{"a.example"})
	round := func() {
		for _, c := range []*tls.Config{
			{ServerName: "a.example"}, {ServerName: "b.example"}, {ServerName: "a.example", NextProtos: []string{"imap"}},
			{ServerName: "a.example", MaxVersion: tls.VersionTLS11},
		} {
			client := g.client(c)
			client.Handshake()
			client.Close()
		}
		broken := g.dial()
		broken.say("GET / HTTP/1.0\r\n\r\n")
		broken.hearRest()
		broken.Close()
		eventually(t, "all sessions are over", func() bool { return g.server.Sessions() == 0 })
	}
	round()
	before := descriptors(t)
	for range 20 {
		round()
	}
	eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= before })
}

// pieces sends the first write in pieces.
type pieces struct {
	net.Conn
	cut func([]byte) [][]byte
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.cut == nil {
		return p.Conn.Write(b)
	}
	for _, piece := range p.cut(b) {
		if _, err := p.Conn.Write(piece); err != nil {
			return 0, err
		}
	}
	p.cut = nil
	return len(b), nil
}
