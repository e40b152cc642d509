package mailtest

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

const header = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 993\r\n"

func TestProxyHeaderNamesTheClient(t *testing.T) {
	for _, row := range []struct{ service, header, want string }{
		{"smtp", header, "192.0.2.7:4711"},
		{"imaps", header, "192.0.2.7:4711"},
		{"pop3", "PROXY TCP6 2001:db8::7 2001:db8::1 4711 110\r\n", "[2001:db8::7]:4711"},
	} {
		node, config := started(t, config.ProxyV1)
		c := dialledRaw(t, node, row.service)
		io.WriteString(c.Conn, row.header)
		c.TLS = config
		if services[row.service].implicitTLS {
			if err := c.StartTLS(); err != nil {
				t.Fatalf("%s: %v", row.service, err)
			}
		}
		if _, err := c.Line(); err != nil {
			t.Errorf("%s: no greeting: %v", row.service, err)
		}
		seen := node.Seen()
		if len(seen) != 1 || seen[0].Client.String() != row.want || seen[0].Service != row.service {
			t.Errorf("%s: node saw %v, want %s", row.service, seen, row.want)
		}
	}
}

// TestProbesOwnAddress: a header that names the very address the connection comes from is a header all the same.
func TestProbesOwnAddress(t *testing.T) {
	node, _ := started(t, config.ProxyV1)
	c := dialledRaw(t, node, "smtp")
	from, to := c.Conn.LocalAddr().(*net.TCPAddr).AddrPort(), node.Addr("smtp")
	header := strings.NewReplacer("A", from.Addr().String(), "B", to.Addr().String()).Replace("PROXY TCP4 A B ")
	io.WriteString(c.Conn, header+portOf(from.String())+" "+portOf(to.String())+"\r\n")
	if err := c.Play("S: 220"); err != nil {
		t.Error(err)
	}
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func TestProxyHeaderInPieces(t *testing.T) {
	node, _ := started(t, config.ProxyV1)
	c := dialledRaw(t, node, "smtp")
	for _, piece := range []string{"PRO", "XY TCP4 192.0.2.7 127.0.0.1 4711 ", "25\r", "\n"} {
		io.WriteString(c.Conn, piece)
	}
	if err := c.Play("S: 220"); err != nil {
		t.Error(err)
	}
}

func TestConnectionsWithoutHeaderAreDropped(t *testing.T) {
	for _, row := range []struct{ what, sent string }{
		{"protocol instead of a header", "EHLO me\r\n"},
		{"version 2", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"},
		{"UNKNOWN", "PROXY UNKNOWN\r\n"},
		{"half of one", "PROXY TCP4 192.0.2.7\r\n"},
		{"a word for a port", "PROXY TCP4 192.0.2.7 127.0.0.1 x 25\r\n"},
		{"no end", "PROXY TCP4 " + strings.Repeat("1", 10_000)},
		{"silence", ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			node := &Node{Name: "eu-1", Address: map[string]string{"smtp": "127.0.0.1:0"}, Proxy: config.ProxyV1, HeaderTimeout: 50 * time.Millisecond}
			if err := node.Start(); err != nil {
				t.Fatal(err)
			}
			defer node.Kill()
			c := dialledRaw(t, node, "smtp")
			io.WriteString(c.Conn, row.sent)
			if line, err := c.Line(); err == nil || line != "" {
				t.Errorf("node said %q, %v; want a close", line, err)
			}
			if n := node.Served(); n != 0 {
				t.Errorf("%d sessions served", n)
			}
		})
	}
}

func dialledRaw(t testing.TB, n *Node, service string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), n.Addr(service).String(), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Conn.Close() })
	return c
}
