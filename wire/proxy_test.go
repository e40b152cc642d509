package wire

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	armon "github.com/armon/go-proxyproto"
	pires "github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

var (
	client4 = netip.MustParseAddrPort("192.0.2.1:65535")
	server4 = netip.MustParseAddrPort("198.51.100.2:993")
	client6 = netip.MustParseAddrPort("[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535")
	server6 = netip.MustParseAddrPort("[2001:db8:ffff:ffff:ffff:ffff:ffff:fffe]:65535")
)

func TestProxyV1(t *testing.T) {
	for _, c := range []struct {
		name string
		h    ProxyHeader
		want string
	}{
		{"IPv4", ProxyHeader{Source: client4, Destination: server4}, "PROXY TCP4 192.0.2.1 198.51.100.2 65535 993\r\n"},
		{"IPv6", ProxyHeader{Source: netip.MustParseAddrPort("[2001:db8::1]:1"), Destination: netip.MustParseAddrPort("[2001:db8::2]:25")},
			"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n"},
		{"mapped is IPv4", ProxyHeader{Source: netip.MustParseAddrPort("[::ffff:192.0.2.1]:9"), Destination: server4},
			"PROXY TCP4 192.0.2.1 198.51.100.2 9 993\r\n"},
		{"zone is ours", ProxyHeader{Source: netip.MustParseAddrPort("[fe80::1%eth0]:1"), Destination: netip.MustParseAddrPort("[fe80::2%eth0]:2")},
			"PROXY TCP6 fe80::1 fe80::2 1 2\r\n"},
		{"local", ProxyHeader{Local: true, Source: client4, Destination: server4}, "PROXY UNKNOWN\r\n"},
		{"mixed", ProxyHeader{Source: client4, Destination: server6}, "PROXY UNKNOWN\r\n"},
		{"no addresses", ProxyHeader{}, "PROXY UNKNOWN\r\n"},
	} {
		if got := string(AppendProxyV1(nil, c.h)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	longest := AppendProxyV1([]byte("prefix"), ProxyHeader{Source: client6, Destination: server6})
	if len(longest)-6 > MaxProxyV1 || !bytes.HasPrefix(longest, []byte("prefixPROXY TCP6")) {
		t.Errorf("longest header has %d bytes, want at most %d: %q", len(longest)-6, MaxProxyV1, longest)
	}
}

// TestProxyV1Peers: what we write, both libraries of the field read.
func TestProxyV1Peers(t *testing.T) {
	for _, h := range []ProxyHeader{{Source: client4, Destination: server4}, {Source: client6, Destination: server6}} {
		header := AppendProxyV1(nil, h)
		got, err := pires.Read(bufio.NewReader(bytes.NewReader(header)))
		if err != nil || got.SourceAddr.String() != h.Source.String() || got.DestinationAddr.String() != h.Destination.String() {
			t.Errorf("pires reads %q as %+v, %v", header, got, err)
		}
		c := armon.NewConn(connOf(t, append(header, "rest"...)), 0)
		rest := make([]byte, 4)
		if _, err := c.Read(rest); err != nil || string(rest) != "rest" || c.RemoteAddr().String() != h.Source.String() {
			t.Errorf("armon reads %q as %v and %q, %v", header, c.RemoteAddr(), rest, err)
		}
	}
}

func connOf(t *testing.T, data []byte) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	go ours.Write(data)
	return theirs
}

func TestProxyV2Peers(t *testing.T) {
	for _, c := range []struct {
		name             string
		h                ProxyHeader
		source           string
		command, family  byte
		local, addresses bool
	}{
		{name: "IPv4", h: ProxyHeader{Source: client4, Destination: server4}, source: client4.String(), command: 0x21, family: 0x11},
		{name: "IPv6", h: ProxyHeader{Source: client6, Destination: server6}, source: client6.String(), command: 0x21, family: 0x21},
		{name: "mixed", h: ProxyHeader{Source: client4, Destination: server6}, source: client4.String(), command: 0x21, family: 0x21},
		{name: "local", h: ProxyHeader{Local: true, Source: client4, Destination: server4, SNI: "x"}, command: 0x20},
	} {
		header := AppendProxyV2(nil, c.h)
		if header[12] != c.command || header[13] != c.family {
			t.Errorf("%s: command and family %#x %#x, want %#x %#x", c.name, header[12], header[13], c.command, c.family)
		}
		in := bufio.NewReader(bytes.NewReader(append(header, "rest"...)))
		got, err := pires.Read(in)
		if err != nil {
			t.Errorf("%s: pires: %v for %q", c.name, err, header)
			continue
		}
		if rest, _ := in.Peek(4); string(rest) != "rest" {
			t.Errorf("%s: header ends at the wrong place: %q follows", c.name, rest)
		}
		if c.source != "" && got.SourceAddr.String() != c.source {
			t.Errorf("%s: source %v, want %v", c.name, got.SourceAddr, c.source)
		}
	}
}

// TestProxyV2Unspecified: pires refuses AF_UNSPEC with the command PROXY, as 2.2 lets it, so the bytes are the test.
func TestProxyV2Unspecified(t *testing.T) {
	got := string(AppendProxyV2(nil, ProxyHeader{SNI: "a.example"}))
	if want := "\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x0c\x02\x00\x09a.example"; got != want {
		t.Errorf("header without addresses = %q, want %q", got, want)
	}
}

func TestProxyV2TLVs(t *testing.T) {
	id := bytes.Repeat([]byte("i"), 200)
	h := ProxyHeader{Source: client4, Destination: server4, UniqueID: id, ALPN: "imap", SNI: "mail.example.org",
		TLS: &ProxyTLS{Version: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", CommonName: "client", Certificate: true, Verified: true}}
	tlvs := tlvsOf(t, h)
	for kind, want := range map[pires.PP2Type]string{
		pires.PP2_TYPE_ALPN: "imap", pires.PP2_TYPE_AUTHORITY: "mail.example.org", pires.PP2_TYPE_UNIQUE_ID: string(id[:128]),
	} {
		if got := value(tlvs, kind); got != want {
			t.Errorf("TLV %#x = %q, want %q", byte(kind), got, want)
		}
	}
	ssl, found := tlvparse.FindSSL(tlvs)
	version, _ := ssl.SSLVersion()
	name, _ := ssl.ClientCN()
	cipher, _ := ssl.SSLCipher()
	if !found || version != "TLSv1.3" || name != "client" || cipher != "TLS_AES_128_GCM_SHA256" || !ssl.ClientSSL() || !ssl.ClientCertConn() || !ssl.Verified() {
		t.Errorf("SSL TLV = %+v (%q, %q, %q)", ssl, version, name, cipher)
	}
}

func TestProxyV2LeavesOut(t *testing.T) {
	tlvs := tlvsOf(t, ProxyHeader{Source: client4, Destination: server4, SNI: strings.Repeat("x", 300), TLS: &ProxyTLS{Version: "TLSv1.2"}})
	if got := value(tlvs, pires.PP2_TYPE_AUTHORITY); got != "" {
		t.Errorf("a name of 300 bytes was sent: %q", got)
	}
	ssl, found := tlvparse.FindSSL(tlvs)
	if !found || ssl.Verified() || ssl.ClientCertConn() {
		t.Errorf("without a client certificate: %+v, want unverified", ssl)
	}
	if tlvs := tlvsOf(t, ProxyHeader{Source: client4, Destination: server4}); len(tlvs) != 0 {
		t.Errorf("TLVs of nothing: %v", tlvs)
	}
}

func tlvsOf(t *testing.T, h ProxyHeader) []pires.TLV {
	t.Helper()
	header, err := pires.Read(bufio.NewReader(bytes.NewReader(AppendProxyV2(nil, h))))
	if err != nil {
		t.Fatal(err)
	}
	tlvs, err := header.TLVs()
	if err != nil {
		t.Fatal(err)
	}
	return tlvs
}

func value(tlvs []pires.TLV, kind pires.PP2Type) string {
	for _, tlv := range tlvs {
		if tlv.Type == kind {
			return string(tlv.Value)
		}
	}
	return ""
}

// FuzzProxyHeader: whatever we are told of a client, the peer's library reads a header that says it.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, []byte{5, 6, 7, 8}, uint16(1), uint16(2), []byte("id"), "sni", "alpn", true)
	f.Add(make([]byte, 16), []byte{5, 6, 7, 8}, uint16(1), uint16(2), []byte(nil), "", "", false)
	f.Add([]byte{}, []byte{}, uint16(0), uint16(0), []byte(nil), "", "", false)
	f.Fuzz(func(t *testing.T, from, to []byte, fromPort, toPort uint16, id []byte, sni, alpn string, secure bool) {
		source, _ := netip.AddrFromSlice(from)
		destination, _ := netip.AddrFromSlice(to)
		h := ProxyHeader{Source: netip.AddrPortFrom(source, fromPort), Destination: netip.AddrPortFrom(destination, toPort), UniqueID: id, SNI: sni, ALPN: alpn}
		if secure {
			h.TLS = &ProxyTLS{Version: sni, Cipher: alpn, CommonName: sni}
		}
		v1, v2 := AppendProxyV1(nil, h), AppendProxyV2(nil, h)
		if len(v1) > MaxProxyV1 {
			t.Fatalf("version 1 header of %d bytes", len(v1))
		}
		if !source.IsValid() || !destination.IsValid() {
			return
		}
		got, err := pires.Read(bufio.NewReader(bytes.NewReader(v2)))
		if err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if _, err := got.TLVs(); err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if _, err := pires.Read(bufio.NewReader(bytes.NewReader(v1))); err != nil {
			t.Fatalf("%+v: %q: %v", h, v1, err)
		}
	})
}
