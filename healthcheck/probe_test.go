package healthcheck

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/config"
)

// greeter is an SMTP node that says all it has to say.
func greeter(c net.Conn) error {
	answers(c, "220 node-1 ESMTP Postfix\r\n", "EHLO", "250 node-1\r\n", "QUIT", "221 bye\r\n")
	return nil
}

func smtpJob(port uint16, addrs ...string) job {
	j := job{spec: &spec{protocol: config.SMTP, level: config.LevelProtocol, port: port, name: "mail.example.org", timeout: 10 * time.Second}, whole: true}
	for _, a := range addrs {
		j.addrs = append(j.addrs, netip.MustParseAddr(a))
	}
	return j
}

func TestAddressesInOrder(t *testing.T) {
	n := startNode(t, greeter) // on 127.0.0.1; nobody is at 127.0.0.2
	silent, err := net.Listen("tcp", fmt.Sprintf("127.0.0.3:%d", n.addr.Port()))
	if err != nil {
		t.Skip(err)
	}
	defer silent.Close()
	for _, c := range []struct {
		addrs, want string
	}{
		{"127.0.0.1", "good"},
		{"127.0.0.2", "connect: connection refused"},
		{"127.0.0.2 127.0.0.1", "good"},
		{"127.0.0.1 127.0.0.2", "good"},
		{"127.0.0.3 127.0.0.1", "good"}, // the silent one takes half of the time at most
		{"127.0.0.2 127.0.0.3", "connect: connection refused"},
	} {
		j := smtpJob(n.addr.Port(), strings.Fields(c.addrs)...)
		j.spec.timeout = 4 * time.Second
		o := j.run(t.Context())
		got := "good"
		if o.failure != nil {
			got = o.failure.reason
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.addrs, got, c.want)
		}
	}
}

func TestSourceAddresses(t *testing.T) {
	from := make(chan string, 1)
	n := startNode(t, func(c net.Conn) error {
		from <- c.RemoteAddr().(*net.TCPAddr).IP.String()
		return greeter(c)
	})
	j := smtpJob(n.addr.Port(), "127.0.0.1")
	j.sources = []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.7"), netip.MustParseAddr("127.0.0.8")}
	for round, want := range map[int]string{1: "127.0.0.7", 2: "127.0.0.8"} {
		j.round = round
		if o := j.run(t.Context()); !o.good() {
			t.Fatal(o.failure.reason)
		}
		if got := <-from; got != want {
			t.Errorf("round %d came from %s, want %s", round, got, want)
		}
	}
	j.sources = []netip.Addr{netip.MustParseAddr("192.0.2.1")} // not on this machine
	if o := j.run(t.Context()); !o.ours() || !strings.Contains(o.failure.reason, "cannot assign requested address") {
		t.Errorf("without the source address: %+v, want a fault of ours", o.failure)
	}
	j.addrs = append(j.addrs, netip.MustParseAddr("::1")) // no source of that family: the kernel's choice, and nobody there
	if o := j.run(t.Context()); o.ours() || o.good() {
		t.Errorf("a fault of ours hides that the other address refuses: %+v", o.failure)
	}
}

func TestOurFaults(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.EADDRNOTAVAIL: true, syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOBUFS: true,
		syscall.ECONNREFUSED: false, syscall.EHOSTUNREACH: false, syscall.ENETUNREACH: false, syscall.ETIMEDOUT: false, io.EOF: false,
	} {
		s := spec{timeout: time.Second}
		f := s.unconnected(&net.OpError{Op: "dial", Err: fmt.Errorf("connect: %w", err)})
		if f.ours != want {
			t.Errorf("%v is ours: %v, want %v (%s)", err, f.ours, want, f.reason)
		}
	}
}

func TestConnectTimeOut(t *testing.T) {
	addr := fullListener(t)
	j := smtpJob(addr.Port(), addr.Addr().String())
	j.spec.timeout = 200 * time.Millisecond
	if o := j.run(t.Context()); o.good() || o.failure.reason != "connect: no answer within 200ms" {
		t.Errorf("outcome %+v", o.failure)
	}
}

// fullListener returns an address that answers no SYN, because its queue is full.
func fullListener(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	for range 10 {
		c, err := net.DialTimeout("tcp", addr.String(), 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("the queue of a listener does not fill here")
	return addr
}

func TestCertificateEnd(t *testing.T) {
	end := time.Now().Add(10 * 24 * time.Hour).Truncate(time.Second).UTC()
	for name, expiry := range map[string]time.Time{"soon": end, "past": end.Add(-20 * 24 * time.Hour)} {
		secure := startNode(t, func(c net.Conn) error { return handshakeOnly(c, certificateUntil(expiry)) })
		j := smtpJob(secure.addr.Port(), "127.0.0.1")
		j.spec.tls, j.spec.level, j.spec.protocol = true, config.LevelTLS, config.HTTP
		o := j.run(t.Context())
		if !o.good() || !o.expiry.Equal(expiry) {
			t.Errorf("%s: expiry %v, %+v, want %v and a good probe", name, o.expiry, o.failure, expiry)
		}
		if o.greeting <= 0 {
			t.Errorf("%s: no greeting time of a handshake", name)
		}
		if err := secure.end(t); err != nil {
			t.Error(err)
		}
	}
}

func TestHTTPAsksForItsProtocol(t *testing.T) {
	asked := make(chan string, 1)
	n := startNode(t, func(c net.Conn) error {
		s := serverTLS().Clone()
		s.NextProtos = []string{"http/1.1"}
		return handshakeOnly(c, s, asked)
	})
	j := smtpJob(n.addr.Port(), "127.0.0.1")
	j.spec.tls, j.spec.level, j.spec.protocol, j.spec.sni = true, config.LevelTLS, config.HTTP, "www.example.org"
	if o := j.run(t.Context()); !o.good() {
		t.Fatal(o.failure.reason)
	}
	if got := <-asked; got != "www.example.org http/1.1" {
		t.Errorf("asked for %q", got)
	}
}

// TestSlowGreeting: a greeting in pieces is one greeting.
func TestSlowGreeting(t *testing.T) {
	n := startNode(t, func(c net.Conn) error {
		for _, b := range []byte("220 node-1 ESMTP\r") {
			if _, err := c.Write([]byte{b}); err != nil {
				return err
			}
		}
		answers(c, "\n", "EHLO", "250 node-1\r\n", "QUIT", "221 bye\r\n")
		return nil
	})
	if o := smtpJob(n.addr.Port(), "127.0.0.1").run(t.Context()); !o.good() || o.greeting <= 0 {
		t.Errorf("%+v, greeting %v", o.failure, o.greeting)
	}
}

func TestTranscript(t *testing.T) {
	var s transcript
	s.note("connect")
	s.add('S', []byte("220 a\x00\xff\\\r\n2"))
	s.add('S', []byte("20 b\r\n"))
	s.add('C', []byte("EHLO"))
	s.add('S', []byte("cut\r\n"))
	if got, want := s.String(), "*: connect\nS: 220 a\\x00\\xff\\x5c\nS: 220 b\nC: EHLO\nS: cut"; got != want {
		t.Errorf("transcript %q, want %q", got, want)
	}
	for range 1000 {
		s.add('S', []byte("\x00\x01\x02\r\n"))
	}
	if n := len(s.String()); n > maxTranscript {
		t.Errorf("%d bytes, want at most %d", n, maxTranscript)
	}
}

// FuzzDialogue: whatever a node says, a probe ends, keeps within its bounds, and is good only after a greeting.
func FuzzDialogue(f *testing.F) {
	protocols := []config.Protocol{config.SMTP, config.LMTP, config.IMAP, config.POP3, config.Sieve, config.HTTP}
	f.Add([]byte("220 a\r\n250 b\r\n221 c\r\n"), uint8(0))
	f.Add([]byte("* OK x\r\n* CAPABILITY Y\r\np1 OK\r\n* BYE\r\np2 OK\r\n"), uint8(2))
	f.Add([]byte("+OK\r\n+OK\r\nTOP\r\n.\r\n+OK\r\n"), uint8(3))
	f.Add([]byte("\"SIEVE\" {3}\r\nabc\r\nOK\r\nOK\r\n"), uint8(4))
	f.Add([]byte("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nServer: a/1\r\nDAV: 1, <x>\r\nDAV: 2\r\n\r\nbody"), uint8(5))
	f.Add([]byte("HTTP/1.1 400 \nx\n\nHTTPS"), uint8(5))
	f.Add([]byte("HTTP/1.9  20 \r\n\r\n"), uint8(5))
	said := make(chan []byte, 1)
	n := startNode(f, func(c net.Conn) error {
		c.Write(<-said)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		return nil
	})
	f.Fuzz(func(t *testing.T, words []byte, protocol uint8) {
		said <- words
		j := smtpJob(n.addr.Port(), "127.0.0.1")
		j.spec.protocol, j.spec.ask = protocols[int(protocol)%len(protocols)], ask{"OPTIONS", "/dav/cal"}
		o := j.run(context.Background())
		if o.good() && len(words) < len("OK\n") {
			t.Errorf("%s: good after %q", j.protocol, words)
		}
		if len(o.transcript) > maxTranscript || strings.ContainsFunc(o.transcript, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
			t.Errorf("transcript %q", o.transcript)
		}
	})
}
