package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"posthouse/config"
)

// clientHello is the hello of crypto/tls.
func clientHello(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		tls.Client(near, c).Handshake()
		near.Close()
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(far, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(far, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

func helloFor(t testing.TB, name string, protocols ...string) []byte {
	return clientHello(t, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: protocols})
}

// records cuts a hello into records of at most so many bytes.
func records(hello []byte, most int) []byte {
	var all []byte
	for body := hello[5:]; len(body) > 0; {
		n := min(most, len(body))
		all = append(all, hello[0], hello[1], hello[2], byte(n>>8), byte(n))
		all = append(all, body[:n]...)
		body = body[n:]
	}
	return all
}

// padded is a hello whose message has exactly so many bytes, by the padding extension (RFC 7685).
func padded(hello []byte, message int) []byte {
	body := bytes.Clone(hello[5:])
	extra := message - len(body) - 4
	at := extensionsAt(body)
	body = append(body, 0, 21, byte(extra>>8), byte(extra))
	body = append(body, make([]byte, extra)...)
	binary.BigEndian.PutUint16(body[at:], uint16(len(body)-at-2))
	size := len(body) - 4
	body[1], body[2], body[3] = byte(size>>16), byte(size>>8), byte(size)
	return records(append(bytes.Clone(hello[:5]), body...), 16<<10)
}

// extensionsAt is where the length of the extensions stands in a ClientHello (RFC 8446, 4.1.2).
func extensionsAt(body []byte) int {
	at := 4 + 2 + 32
	at += 1 + int(body[at])
	at += 2 + int(binary.BigEndian.Uint16(body[at:]))
	return at + 1 + int(body[at])
}

func TestReadHello(t *testing.T) {
	usual := helloFor(t, "imap.example.org", "imap")
	rows := []struct {
		name   string
		r      io.Reader
		length int // of what is read
		sni    string
	}{
		{"usual", bytes.NewReader(usual), len(usual), "imap.example.org"},
		{"a byte at a time", iotest.OneByteReader(bytes.NewReader(usual)), len(usual), "imap.example.org"},
		{"in many records", bytes.NewReader(records(usual, 7)), len(records(usual, 7)), "imap.example.org"},
		{"without a name", bytes.NewReader(helloFor(t, "192.0.2.1")), len(helloFor(t, "192.0.2.1")), ""},
		{"40 KiB", bytes.NewReader(padded(usual, 40<<10)), len(padded(usual, 40<<10)), "imap.example.org"},
		{"nearly 64 KiB", iotest.HalfReader(bytes.NewReader(padded(usual, 65500))), len(padded(usual, 65500)), "imap.example.org"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			h, err := readHello(row.r)
			if err != nil || h.serverName != row.sni || len(h.raw) != row.length || h.tlsVersion() != "1.3" {
				t.Errorf("readHello = %d bytes, %q, %q, %v", len(h.raw), h.serverName, h.tlsVersion(), err)
			}
		})
	}
}

func TestReadHelloFacts(t *testing.T) {
	h, err := readHello(bytes.NewReader(clientHello(t, &tls.Config{
		ServerName: "a.example", NextProtos: []string{"imap"}, MaxVersion: tls.VersionTLS12})))
	if err != nil || h.alpn() != "imap" || h.tlsVersion() != "1.2" {
		t.Errorf("alpn %q, version %q, %v", h.alpn(), h.tlsVersion(), err)
	}
	if h, _ := readHello(bytes.NewReader(helloFor(t, "a.example", "h2", "http/1.1"))); h.alpn() != "" {
		t.Errorf("alpn of two = %q", h.alpn())
	}
}

func TestReadHelloRefuses(t *testing.T) {
	usual := helloFor(t, "imap.example.org")
	endless := io.MultiReader(bytes.NewReader([]byte{22, 3, 1, 64, 0, 1, 0, 255, 255}), zeros{})
	rows := []struct {
		name string
		r    io.Reader
	}{
		{"plain text", strings.NewReader("a LOGIN x y\r\nb LOGOUT\r\n")},
		{"nothing", strings.NewReader("")},
		{"cut short", bytes.NewReader(usual[:100])},
		{"an alert", bytes.NewReader([]byte{21, 3, 1, 0, 2, 1, 0})},
		{"a hello of SSL 2", bytes.NewReader([]byte{0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10})},
		{"more than 64 KiB", endless},
		{"tiny records without end", io.MultiReader(bytes.NewReader([]byte{22, 3, 1, 0, 4, 1, 0, 255, 255}), &tiny{})},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			h, err := readHello(row.r)
			if err == nil || len(h.raw) > maxHello {
				t.Errorf("readHello = %d bytes, %v", len(h.raw), err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0
		if i%16389 == 0 {
			p[i] = 22
		}
	}
	return len(p), nil
}

// tiny is handshake records of one byte each.
type tiny struct{ at int }

func (r *tiny) Read(p []byte) (int, error) {
	record := [6]byte{22, 3, 1, 0, 1, 'x'}
	for i := range p {
		p[i] = record[r.at%6]
		r.at++
	}
	return len(p), nil
}

func FuzzReadHello(f *testing.F) {
	usual := helloFor(f, "imap.example.org", "imap")
	f.Add(usual)                        // one record
	f.Add(records(usual, 100))          // several
	f.Add(append(usual, "more"...))     // with something behind
	f.Add(usual[:50])                   // cut short
	f.Add([]byte("EHLO x\r\n"))         // no TLS
	f.Add([]byte{22, 3, 1, 0, 0})       // an empty record
	f.Add([]byte{22, 3, 1, 0xff, 0xff}) // too long a record
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readHello(bytes.NewReader(b))
		if len(h.raw) > maxHello || !bytes.HasPrefix(b, h.raw) {
			t.Errorf("raw is not what was read")
		}
		if err == nil && len(h.raw) == 0 {
			t.Error("a hello of no bytes")
		}
	})
}

func TestServes(t *testing.T) {
	rows := []struct {
		names        string
		asked        string
		exact, wider bool
	}{
		{"a.example", "a.example", true, false},
		{"a.example", "b.example", false, false},
		{"*.example", "b.example", false, true},
		{"*.example", "c.b.example", false, false},
		{"*.example", "example", false, false},
		{"*.example a.example", "a.example", true, false},
		{"a.example", "", false, false},
		{"*.", "", false, false},
	}
	for _, row := range rows {
		exact, wild := serves(strings.Fields(row.names), row.asked)
		if exact != row.exact || wild != row.wider {
			t.Errorf("serves(%s, %q) = %v, %v", row.names, row.asked, exact, wild)
		}
	}
}

// certificate is self-signed.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.org"},
		DNSNames: []string{"mail.example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secure is a node that speaks TLS and says which one it is.
func secure(cert tls.Certificate, text string) script {
	return func(c *net.TCPConn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		io.WriteString(s, text)
		io.Copy(io.Discard, s)
		s.Close()
	}
}

func passthrough(s *config.Service) { s.TLS = config.Passthrough }

func (r *rig) connectTLS(serverName string) *tls.Conn {
	r.t.Helper()
	return tls.Client(r.connect(), &tls.Config{ServerName: serverName, InsecureSkipVerify: true})
}

// closeTLS ends the first session. The node may be the first to close: close_notify reaches it before the client's FIN.
func (r *rig) closeTLS(c *tls.Conn) map[string]any {
	r.t.Helper()
	c.Close()
	line := r.ended(1)
	if line["end"] != "client" && line["end"] != "node" {
		r.t.Errorf("end = %v (%v)", line["end"], line)
	}
	return line
}

// meter counts what a client sends and hears.
type meter struct {
	net.Conn
	sent, heard atomic.Int64
}

func (c *meter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.heard.Add(int64(n))
	return n, err
}

func (c *meter) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

func (c *meter) totals() (sent, heard int64) { return c.sent.Load(), c.heard.Load() }

func TestPassthrough(t *testing.T) {
	r := newRig(t, passthrough, refusing(t), newNode(t, hangsUp), newNode(t, secure(certificate(t), greeting)))
	counted := &meter{Conn: r.connect()}
	c := tls.Client(counted, &tls.Config{ServerName: "imap.example.org", InsecureSkipVerify: true})
	got := make([]byte, len(greeting))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != greeting {
		t.Fatalf("heard %q, %v", got, err)
	}
	eventually(t, "the session counts what was said so far, the hello included", func() bool {
		list := r.list()
		sent, heard := counted.totals()
		return len(list) == 1 && list[0].Up == sent && list[0].Down == heard
	})
	line := r.closeTLS(c)
	sent, _ := counted.totals()
	if got := testutil.ToFloat64(r.server.Metrics.of("imap").up); line["up"] != float64(sent) || got != float64(sent) {
		t.Errorf("the client sent %d bytes, hello and all; the metrics say %v: %v", sent, got, line)
	}
	if line["sni"] != "imap.example.org" || line["tls"] != "1.3" || line["node"] != "node-3" || line["tries"] != 3.0 {
		t.Errorf("session log: %v", line)
	}
}

// A frozen node keeps the handshake waiting for one hedge only: the hello goes to the next one too.
func TestPassthroughHedge(t *testing.T) {
	for _, protocol := range []config.Protocol{config.IMAP, config.TCP} {
		t.Run(string(protocol), func(t *testing.T) {
			r := newRig(t, func(s *config.Service) {
				passthrough(s)
				hedge(50 * time.Millisecond)(s)
				s.Protocol = protocol
			}, newNode(t, mute), newNode(t, secure(certificate(t), greeting)))
			c := r.connectTLS("imap.example.org")
			if _, err := io.ReadFull(c, make([]byte, len(greeting))); err != nil { // closing with unread input would send a reset
				t.Fatal(err)
			}
			if line := r.closeTLS(c); line["hedged"] != true {
				t.Errorf("session log: %v", line)
			}
		})
	}
}

func TestPassthroughWithoutNode(t *testing.T) {
	r := newRig(t, passthrough, refusing(t))
	c := r.connect()
	c.say(string(helloFor(t, "imap.example.org")))
	c.hearEnd()
	c.Close()
	r.expectEnd("no-node")
}

func TestHelloEnds(t *testing.T) {
	rows := []struct {
		name string
		act  func(*peer)
		end  string
	}{
		{"plain text", func(c *peer) { c.say("a LOGIN x y\r\n") }, "hello"},
		{"half a hello", func(c *peer) { c.say("\x16\x03\x01"); c.CloseWrite() }, "hello"},
		{"nothing", func(c *peer) { c.CloseWrite() }, "left"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			node := newNode(t, echo)
			r := newRig(t, passthrough, node)
			c := r.connect()
			row.act(c)
			c.hearRest()
			r.expectEnd(row.end)
			if node.accepted() != 0 {
				t.Error("the node was dialled")
			}
		})
	}
}

// A client that sends nothing, or a byte now and then, has a limited time: that of the whole step.
func TestReadingIsBounded(t *testing.T) {
	r := newRig(t, nil, newNode(t, mute))
	for name, row := range map[string]struct {
		read func(io.Reader) error
		says string
	}{
		"hello":  {func(c io.Reader) error { _, err := readHello(c); return err }, "\x16\x03\x01\x40\x00\x01\x00\xff\xff"},
		"header": {func(c io.Reader) error { _, err := readOrigin(c); return err }, ""},
	} {
		near, far := tcpPair(t)
		stop := make(chan struct{})
		trickled := make(chan struct{})
		go func() {
			defer close(trickled)
			for _, b := range []byte(row.says) {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					far.Write([]byte{b})
				}
			}
		}()
		s := &session{server: r.server, approach: &approach{client: near}}
		var err error
		if !s.reading(50*time.Millisecond, func() { err = row.read(near) }) || !isTimeout(err) {
			t.Errorf("%s: %v, want a time-out", name, err)
		}
		close(stop)
		<-trickled
		near.Close()
		far.Close()
	}
}

// Services that share an address are told apart by the name that the client asks for.
func TestServerNames(t *testing.T) {
	cert := certificate(t)
	nodes := []*node{newNode(t, secure(cert, "A")), newNode(t, secure(cert, "B")), newNode(t, secure(cert, "C"))}
	topology := newTopology(passthrough, nodes...)
	first := topology.Services[0]
	first.ServerNames = []string{"a.example", "x.b.example"}
	for i, names := range [][]string{1: {"*.b.example"}, 2: nil} {
		if i == 0 {
			continue
		}
		s := *first
		s.Name, s.ServerNames = []string{"", "second", "third"}[i], names
		topology.Services = append(topology.Services, &s)
	}
	for i, n := range topology.Nodes {
		n.Region = "r0"
		name := topology.Services[i].Name
		n.Services, n.Ports = []string{name}, map[string]uint16{name: nodes[i].port}
	}
	r := &rig{t: t, log: new(logBuffer), topology: topology, service: first}
	r.start()
	for asked, want := range map[string]string{
		"a.example": "A", "A.example": "A", "x.b.example": "A", "y.b.example": "B", "z.y.b.example": "C", "": "C", "c.example": "C",
	} {
		c := r.connectTLS(asked)
		got := make([]byte, 1)
		if _, err := io.ReadFull(c, got); string(got) != want {
			t.Errorf("%q led to %q, %v, want %s", asked, got, err, want)
		}
		c.Close()
	}

	topology.Services[2].ServerNames = []string{"c.example"}
	r.apply(topology)
	c := r.connectTLS("d.example")
	if err := c.Handshake(); err == nil {
		t.Error("a name that nobody serves was served")
	}
	eventually(t, "the log says so", func() bool {
		for _, line := range r.log.sessions() {
			if line["end"] == "server-name" && line["sni"] == "d.example" {
				return true
			}
		}
		return false
	})
}
