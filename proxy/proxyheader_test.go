package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	armon "github.com/armon/go-proxyproto"
	proxyproto "github.com/pires/go-proxyproto"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"posthouse/config"
)

// headerV2 is written by pires/go-proxyproto.
func headerV2(t testing.TB, source, destination string, tlvs ...proxyproto.TLV) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(2, tcpAddr(source), tcpAddr(destination))
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	return format(t, h)
}

func format(t testing.TB, h *proxyproto.Header) string {
	t.Helper()
	raw, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func tcpAddr(s string) *net.TCPAddr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func localV2(t testing.TB) string {
	return format(t, &proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC})
}

// unspecifiedV2 is the header of a peer that passes somebody on without saying whom.
func unspecifiedV2(t testing.TB) string {
	return format(t, &proxyproto.Header{Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.UNSPEC})
}

func TestReadOrigin(t *testing.T) {
	id := proxyproto.TLV{Type: proxyproto.PP2_TYPE_UNIQUE_ID, Value: []byte("abc123")}
	odd := proxyproto.TLV{Type: proxyproto.PP2_TYPE_UNIQUE_ID, Value: []byte("a\nb")}
	ours := string(appendRelayed([]byte(headerV2(t, "192.0.2.1:1", "192.0.2.2:2")), "eu"))
	v2 := headerV2(t, "192.0.2.1:1", "192.0.2.2:2")
	rows := []struct{ name, header, want string }{
		{"v1", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 993\r\n", "192.0.2.1:56324 198.51.100.1:993"},
		{"v1, IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "[2001:db8::1]:1 [2001:db8::2]:2"},
		{"v1, odd length", "PROXY TCP4 192.0.2.1 198.51.100.1 5632 993\r\n", "192.0.2.1:5632 198.51.100.1:993"},
		{"v1, mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1:1 192.0.2.2:2"},
		{"v1, unknown", "PROXY UNKNOWN\r\n", "untold"},
		{"v1, unknown with addresses", "PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n", "untold"},
		{"v2", headerV2(t, "192.0.2.1:56324", "198.51.100.1:993"), "192.0.2.1:56324 198.51.100.1:993"},
		{"v2, IPv6", headerV2(t, "[2001:db8::1]:1", "[2001:db8::2]:2"), "[2001:db8::1]:1 [2001:db8::2]:2"},
		{"v2, id", headerV2(t, "192.0.2.1:1", "192.0.2.2:2", id), "192.0.2.1:1 192.0.2.2:2 abc123"},
		{"v2, odd id", headerV2(t, "192.0.2.1:1", "192.0.2.2:2", odd), "192.0.2.1:1 192.0.2.2:2 610a62"},
		{"v2, checksum", checked(t, id), "192.0.2.1:1 192.0.2.2:2 abc123"},
		{"v2, checksum behind padding", checked(t, proxyproto.TLV{Type: proxyproto.PP2_TYPE_NOOP, Value: []byte("padding")}, id), "192.0.2.1:1 192.0.2.2:2 abc123"},
		{"v2, another balancer's", ours, "192.0.2.1:1 192.0.2.2:2 relayed"},
		{"v2, local", localV2(t), "local"},
		{"v2, local of an address", v2[:12] + "\x20" + v2[13:], "local"},
		{"v2, unspecified", unspecifiedV2(t), "untold"},
		{"v2, unspecified with TLVs", string(appendRelayed([]byte(unspecifiedV2(t)), "eu")), "untold"},
	}
	for _, row := range rows {
		for how, r := range map[string]io.Reader{
			"at once":        strings.NewReader(row.header + "rest"),
			"byte by byte":   iotest.OneByteReader(strings.NewReader(row.header + "rest")),
			"data and error": iotest.DataErrReader(strings.NewReader(row.header + "rest")),
		} {
			o, err := readOrigin(r)
			rest, _ := io.ReadAll(r)
			if got := o.text(); got != row.want || err != nil || string(rest) != "rest" {
				t.Errorf("%s, %s: %s, %v, and then %q, want %s", row.name, how, got, err, rest, row.want)
			}
		}
	}
}

// checked is a header with a checksum behind other TLVs, made as proxy-protocol.txt, 2.2.3, says.
func checked(t testing.TB, tlvs ...proxyproto.TLV) string {
	t.Helper()
	sum := proxyproto.TLV{Type: proxyproto.PP2_TYPE_CRC32C, Value: make([]byte, 4)}
	raw := []byte(headerV2(t, "192.0.2.1:1", "192.0.2.2:2", append(tlvs, sum)...))
	binary.BigEndian.PutUint32(raw[len(raw)-4:], crc32.Checksum(raw, crc32.MakeTable(crc32.Castagnoli)))
	return string(raw)
}

func (o origin) text() string {
	switch {
	case o.local:
		return "local"
	case o == origin{}:
		return "untold"
	}
	text := fmt.Sprint(o.source, " ", o.destination)
	if o.parent != "" {
		text += " " + o.parent
	}
	if o.relayed {
		text += " relayed"
	}
	return text
}

func TestReadOriginRefuses(t *testing.T) {
	v2 := headerV2(t, "192.0.2.1:1", "192.0.2.2:2")
	rows := []struct{ name, header string }{
		{"protocol", "EHLO mail.example.org\r\n"},
		{"hello", "\x16\x03\x01\x02\x00\x01\x00"},
		{"nothing", ""},
		{"half", "PROXY TCP4 192.0.2.1"},
		{"bare LF", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nxx"},
		{"too long", "PROXY UNKNOWN " + strings.Repeat("x", 107)},
		{"lower case", "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"},
		{"IPv6 in TCP4", "PROXY TCP4 ::1 ::2 1 2\r\n"},
		{"port 99999999", "PROXY TCP4 192.0.2.1 192.0.2.2 99999999 2\r\n"},
		{"spaces", "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n"},
		{"signature of v2 only", v2[:12]},
		{"v2 cut short", v2[:20]},
		{"wrong signature", v2[:11] + "X" + v2[12:]},
		{"version 3", v2[:12] + "\x31" + v2[13:]},
		{"64 KiB", v2[:14] + "\xff\xff" + strings.Repeat("x", 65535)},
		{"unix", v2[:13] + "\x31\x00\xd8" + strings.Repeat("x", 216)},
		{"UDP", v2[:13] + "\x12" + v2[14:]},
		{"another client than was summed up", strings.Replace(checked(t), "\xc0\x00\x02\x01", "\xc0\x00\x02\x09", 1)},
		{"half a checksum", headerV2(t, "192.0.2.1:1", "192.0.2.2:2", proxyproto.TLV{Type: proxyproto.PP2_TYPE_CRC32C, Value: []byte("xy")})},
		{"broken TLV", v2[:14] + "\x00\x0f" + v2[16:] + "\x05\x00\x20"},
	}
	for _, row := range rows {
		if o, err := readOrigin(strings.NewReader(row.header)); err == nil {
			t.Errorf("%s: %s, want an error", row.name, o.text())
		}
	}
}

func FuzzReadOrigin(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nrest"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(headerV2(f, "192.0.2.1:1", "192.0.2.2:2") + "rest"))
	f.Add([]byte(headerV2(f, "[2001:db8::1]:1", "[2001:db8::2]:2")))
	f.Add([]byte(localV2(f)))
	f.Add([]byte(checked(f)))
	f.Add([]byte(unspecifiedV2(f)))
	f.Add([]byte("a LOGIN x y\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		o, err := readOrigin(r)
		if read := len(b) - r.Len(); read > 16+maxHeaderV2 {
			t.Errorf("%d bytes were read", read)
		} else if again, err2 := readOrigin(bytes.NewReader(b[:read])); err == nil && (err2 != nil || again != o) {
			t.Errorf("the header alone is %v, %v, with what follows it is %v", again, err2, o)
		}
		if err == nil && !o.local && o != (origin{}) && (!o.source.IsValid() || o.source.Addr().Is4In6()) {
			t.Errorf("source = %v", o.source)
		}
	})
}

func trusted(s *config.Service) { s.AcceptProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// The client of a session is the one in the header: for the log, deny, the limits and the header that the node gets.
func TestProxyInAndOut(t *testing.T) {
	header := make(chan *proxyproto.Header, 1)
	r := newRig(t, func(s *config.Service) {
		trusted(s)
		s.Proxy = config.ProxyV2
		s.Deny = []netip.Prefix{netip.MustParsePrefix("192.0.2.66/32")}
	}, newNode(t, readsHeader(header, echo)))

	c := r.connect()
	c.say("PROXY TCP4 192.0.2.1 198.51.100.1 56324 ")
	c.say("993\r\na NOOP\r\n") // in two segments, and more behind it
	c.hear(greeting + "a NOOP\r\n")
	c.Close()
	line := r.expectEnd("client")
	if line["client"] != "192.0.2.1:56324" || !strings.HasPrefix(line["peer"].(string), "127.0.0.1:") {
		t.Errorf("session log: %v", line)
	}
	h := <-header
	if h.SourceAddr.String() != "192.0.2.1:56324" || h.DestinationAddr.String() != "198.51.100.1:993" {
		t.Errorf("the node was told %v -> %v", h.SourceAddr, h.DestinationAddr)
	}
	if got := tlvOf(t, h, proxyproto.PP2_TYPE_UNIQUE_ID); got != line["id"] {
		t.Errorf("unique-id = %q, logged as %v", got, line["id"])
	}

	c = r.connect()
	c.say(headerV2(t, "192.0.2.66:1", "198.51.100.1:993"))
	c.hear("* BYE [LIMIT]")
	if line := r.ended(2); line["end"] != "denied" {
		t.Errorf("session log: %v", line)
	}
}

// readsHeader lets pires/go-proxyproto read the header before the script goes on; nil where there was none. A connection of which nobody
// wants to know any more waits for nobody.
func readsHeader(to chan<- *proxyproto.Header, s script) script {
	return func(c *net.TCPConn) {
		h, err := proxyproto.Read(bufio.NewReaderSize(&oneByOne{c}, 16))
		if err != nil {
			h = nil
		}
		select {
		case to <- h:
		default:
		}
		if err == nil {
			s(c)
		}
	}
}

// oneByOne lets a buffered reader take nothing that is not asked for, which pires wants at once for version 1: so it is
// for version 2 only.
type oneByOne struct{ c *net.TCPConn }

func (o *oneByOne) Read(p []byte) (int, error) { return o.c.Read(p[:1]) }

func tlvOf(t testing.TB, h *proxyproto.Header, kind proxyproto.PP2Type) string {
	t.Helper()
	tlvs, err := h.TLVs()
	if err != nil {
		t.Fatal(err)
	}
	for _, tlv := range tlvs {
		if tlv.Type == kind {
			return string(tlv.Value)
		}
	}
	return ""
}

func TestProxyV1OutReadByArmon(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := make(chan string, 1)
	go func() {
		c, err := (&armon.Listener{Listener: l}).Accept()
		if err != nil {
			return
		}
		defer c.Close()
		client <- c.RemoteAddr().String()
		io.WriteString(c, greeting)
		io.Copy(c, c)
	}()
	r := newRig(t, func(s *config.Service) { s.Proxy = config.ProxyV1 },
		&node{port: uint16(l.Addr().(*net.TCPAddr).Port)})
	c := r.connect()
	c.hear(greeting)
	c.say("x")
	c.hear("x")
	if got := <-client; got != c.LocalAddr().String() {
		t.Errorf("the node took the client for %s, it is %s", got, c.LocalAddr())
	}
}

// The header and the hello are one write, and the header tells the name and the protocol that the hello asks for.
func TestProxyOutWithHello(t *testing.T) {
	first := make(chan []byte, 1)
	node := newNode(t, func(c *net.TCPConn) {
		b := make([]byte, 64<<10)
		n, _ := c.Read(b)
		first <- b[:n]
	})
	r := newRig(t, func(s *config.Service) {
		passthrough(s)
		s.Proxy, s.Attempts = config.ProxyV2, 1
	}, node)
	c := r.connect()
	hello := clientHello(t, &tls.Config{ServerName: "imap.example.org", NextProtos: []string{"imap"}})
	c.say(string(hello))
	got := <-first
	in := bufio.NewReader(bytes.NewReader(got))
	h, err := proxyproto.Read(in)
	if err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(in)
	if !bytes.Equal(rest, hello) {
		t.Errorf("the node's first segment has %d bytes of the hello's %d", len(rest), len(hello))
	}
	if sni, alpn := tlvOf(t, h, proxyproto.PP2_TYPE_AUTHORITY), tlvOf(t, h, proxyproto.PP2_TYPE_ALPN); sni != "imap.example.org" || alpn != "imap" {
		t.Errorf("authority %q, alpn %q", sni, alpn)
	}
	if tlvOf(t, h, proxyproto.PP2_TYPE_SSL) != "" {
		t.Error("the header says that TLS ended here")
	}
	if h.SourceAddr.String() != c.LocalAddr().String() || h.DestinationAddr.String() != c.RemoteAddr().String() {
		t.Errorf("the node was told %v -> %v", h.SourceAddr, h.DestinationAddr)
	}
}

// The probe of a peer is answered like a session of the peer, though the peer is no client that may connect.
func TestProbeOfPeer(t *testing.T) {
	r := newRig(t, func(s *config.Service) {
		trusted(s)
		s.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		s.Limits = config.Limits{ClientRate: config.Rate{Events: 1, Per: 1 << 40}}
	}, newNode(t, echo))
	for range 3 {
		c := r.connect()
		c.say(localV2(t))
		c.hear(greeting)
		c.Close()
	}
	line := r.ended(3)
	if line["level"] != "DEBUG" || line["client"] == nil {
		t.Errorf("session log: %v", line)
	}
}

// A peer that cannot say for whom it connects passes a client on all the same: the peer's address counts for deny and the limits,
// and other regions are asked.
func TestUntoldClient(t *testing.T) {
	for name, header := range map[string]string{"v1": "PROXY UNKNOWN\r\n", "v2": unspecifiedV2(t)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(s *config.Service) {
				trusted(s)
				s.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.66/32")}
				s.Limits = config.Limits{ClientSessions: 1}
			}, refusing(t), newNode(t, echo))
			c := r.connect()
			c.say(header)
			c.hear(greeting)
			for i, from := range []string{"127.0.0.1", "127.0.0.66"} {
				late := r.connectFrom(from)
				late.say(header)
				late.hear("* BYE [LIMIT]")
				if line, want := r.ended(i+1), []string{"limit", "denied"}[i]; line["end"] != want || line["level"] != "INFO" {
					t.Errorf("from %s: session log: %v, want %s", from, line, want)
				}
			}
			c.Close()
			if line := r.ended(3); line["node"] != "node-2" || !strings.HasPrefix(line["client"].(string), "127.0.0.1:") {
				t.Errorf("session log: %v", line)
			}
		})
	}
}

func TestProxyHeaderEnds(t *testing.T) {
	for _, bad := range []string{"EHLO me\r\n", "PROXY TCP4 oh\r\n", "\x16\x03\x01\x02\x00\x01"} {
		node := newNode(t, echo)
		r := newRig(t, trusted, node)
		c := r.connect()
		c.say(bad)
		c.hearRest()
		r.expectEnd("proxy-header")
		if node.accepted() != 0 {
			t.Error("the node was dialled")
		}
	}
}

// A balancer that looks whether we listen says nothing. That is no bad header, for it to be counted with those.
func TestPeerThatSaysNothing(t *testing.T) {
	for name, leave := range map[string]func(*peer){
		"closes": func(c *peer) { c.Close() },
		"resets": func(c *peer) { c.SetLinger(0); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, trusted, newNode(t, echo))
			leave(r.connect())
			r.expectEnd("left")
			if n := testutil.ToFloat64(r.server.Metrics.of("imap").errors[stageProxyHeader]); n != 0 {
				t.Errorf("%v bad headers, want none", n)
			}
		})
	}
}

// From a peer that is not trusted a header is protocol, for the node to judge.
func TestHeaderOfStranger(t *testing.T) {
	r := newRig(t, func(s *config.Service) {
		s.AcceptProxy = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	}, newNode(t, echo))
	c := r.connect()
	c.say("PROXY TCP4 192.0.2.1 198.51.100.1 56324 993\r\n")
	c.hear(greeting + "PROXY TCP4 192.0.2.1 198.51.100.1 56324 993\r\n")
	c.Close()
	if line := r.expectEnd("client"); !strings.HasPrefix(line["client"].(string), "127.0.0.1:") {
		t.Errorf("session log: %v", line)
	}
}

// A session that another region's balancer sent here stays in this region: two balancers could send it round in circles.
func TestRelayedStaysHere(t *testing.T) {
	there := newNode(t, echo)
	r := newRig(t, trusted, refusing(t), there)
	c := r.connect()
	c.say(string(appendRelayed([]byte(headerV2(t, "192.0.2.1:1", "198.51.100.1:993")), "eu")))
	c.hear("* BYE [UNAVAILABLE]")
	if there.accepted() != 0 {
		t.Error("a node of another region was asked")
	}
}

func TestToBalancerSaysRegion(t *testing.T) {
	header := make(chan *proxyproto.Header, 1)
	topology := newTopology(nil, refusing(t), newNode(t, readsHeader(header, echo)))
	topology.Nodes[1].Balancer = true
	r := &rig{t: t, log: new(logBuffer), topology: topology, service: topology.Services[0]}
	r.start()
	r.connect().hear(greeting)
	if h := <-header; h == nil || tlvOf(t, h, typeRelayed) != "r0" {
		t.Errorf("header = %v", h)
	}
}
