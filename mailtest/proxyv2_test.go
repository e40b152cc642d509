package mailtest

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/wire"
)

// headerV2 is a PROXY header as a balancer writes it.
func headerV2(h wire.ProxyHeader) string {
	h.Source, h.Destination = netip.MustParseAddrPort("192.0.2.7:4711"), netip.MustParseAddrPort("192.0.2.1:993")
	return string(wire.AppendProxyV2(nil, h))
}

func TestProxyV2NamesTheClient(t *testing.T) {
	for _, row := range []struct{ what, service, header, want string }{
		{"plain", "smtp", headerV2(wire.ProxyHeader{}), "192.0.2.7"},
		{"with TLVs", "imaps", headerV2(wire.ProxyHeader{UniqueID: []byte("x"), SNI: "mail.example.org", TLS: &wire.ProxyTLS{Version: "TLSv1.3"}}), "192.0.2.7"},
		{"a probe", "pop3", headerV2(wire.ProxyHeader{Local: true}), "127.0.0.1"},
	} {
		node, config := started(t, config.ProxyV2)
		c := dialledRaw(t, node, row.service)
		io.WriteString(c.Conn, row.header)
		c.TLS = config
		if services[row.service].implicitTLS {
			if err := c.StartTLS(); err != nil {
				t.Fatalf("%s: %v", row.what, err)
			}
		}
		if _, err := c.Line(); err != nil {
			t.Errorf("%s: no greeting: %v", row.what, err)
		}
		if seen := node.Seen(); len(seen) != 1 || seen[0].Client.Addr().String() != row.want {
			t.Errorf("%s: node saw %v, want %s", row.what, seen, row.want)
		}
	}
}

func TestProxyV2InPieces(t *testing.T) {
	node, _ := started(t, config.ProxyV2)
	c := dialledRaw(t, node, "smtp")
	c.Conn.(*net.TCPConn).SetNoDelay(true)
	for _, piece := range []byte(headerV2(wire.ProxyHeader{SNI: "mail.example.org"}) + "EHLO me\r\n") {
		c.Conn.Write([]byte{piece})
	}
	if err := c.Play("S: 220\nS~ 250 "); err != nil {
		t.Error(err)
	}
}

func TestProxyV2IsRequired(t *testing.T) {
	for what, sent := range map[string]string{
		"protocol instead of a header": "EHLO me\r\n",
		"version 1":                    header,
		"half of one":                  headerV2(wire.ProxyHeader{})[:20],
		"silence":                      "",
	} {
		node := &Node{Name: "eu-1", Address: map[string]string{"smtp": "127.0.0.1:0"}, Proxy: config.ProxyV2, HeaderTimeout: 50 * time.Millisecond}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		c := dialledRaw(t, node, "smtp")
		io.WriteString(c.Conn, sent)
		if line, err := c.Line(); err == nil || line != "" {
			t.Errorf("%s: node said %q, %v; want a close", what, line, err)
		}
		if n := node.Served(); n != 0 {
			t.Errorf("%s: %d sessions served", what, n)
		}
		node.Kill()
	}
}
