package proxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/config"
)

// endings are the modes and versions in which clients' TLS ends here.
var endings = []struct {
	mode    config.TLSMode
	version uint16
}{
	{config.Terminate, tls.VersionTLS12}, {config.Terminate, tls.VersionTLS13},
	{config.Reencrypt, tls.VersionTLS12}, {config.Reencrypt, tls.VersionTLS13},
}

func TestMailOverTLS(t *testing.T) { eachForm(t, testMailOverTLS) }

func testMailOverTLS(t *testing.T, f form) {
	for _, row := range endings {
		m := f.newMailRig(t, row.mode, nil, echoing)
		c := m.secure(func(s *tls.Config) { s.MaxVersion, s.NextProtos = row.version, []string{"imap"} })
		c.hear(greeting)
		c.say("a NOOP\r\n")
		c.hear("a NOOP\r\n")
		c.CloseWrite() // only this direction ends
		c.hearEnd()
		c.Close()
		line := m.expectEnd("client")
		if line["up"] != 8.0 || line["down"] != float64(len(greeting)+8) || line["node"] != "node-1" || line["alpn"] != "imap" ||
			line["sni"] != "mail.example.org" || line["tls"] != versionName(row.version) {
			t.Errorf("%s: session log: %v", row.mode, line)
		}
	}
}

// Bytes of any protocol pass, whatever ALPN the client offers; without TLS of the node the commit is the connect.
func TestTCPOverTLS(t *testing.T) { eachForm(t, testTCPOverTLS) }

func testTCPOverTLS(t *testing.T, f form) {
	for _, mode := range []config.TLSMode{config.Terminate, config.Reencrypt} {
		m := f.newMailRig(t, mode, func(s *config.Service) { s.Protocol = config.TCP }, func(c net.Conn) { io.Copy(c, c); c.Close() })
		c := m.secure(func(s *tls.Config) { s.NextProtos = []string{"irc"} })
		c.say("who speaks first")
		c.hear("who speaks first")
		c.Close()
		m.expectEnd("client")
	}
}

// Our words are heard inside TLS, with close_notify behind them.
func TestWordsInsideTLS(t *testing.T) { eachForm(t, testWordsInsideTLS) }

func testWordsInsideTLS(t *testing.T, f form) {
	unheard := func(c net.Conn) { c.Close() }
	for _, row := range []struct {
		name     string
		protocol config.Protocol
		change   func(*config.Service)
		node     func(net.Conn)
		want     string
		end      string
	}{
		{"no node", config.IMAP, nil, unheard, "* BYE [UNAVAILABLE] no server available, try again later\r\n", "no-node"},
		{"no node", config.POP3, nil, unheard, "-ERR [SYS/TEMP] no server available, try again later\r\n", "no-node"},
		{"no node", config.SMTP, nil, unheard, "421 4.3.2 mail.example.org no server available, try again later\r\n", "no-node"},
		{"no node", config.Sieve, nil, unheard, "BYE (TRYLATER) \"no server available, try again later\"\r\n", "no-node"},
		{"no node", config.TCP, nil, nil, "", "no-node"},
		{"frozen", config.IMAP, quickly, frozen, "* BYE [UNAVAILABLE] no server available, try again later\r\n", "no-node"},
		{"the node's words", config.SMTP, nil, func(c net.Conn) { io.WriteString(c, "421 go away\r\n"); c.Close() }, "421 go away\r\n", "refused"},
		{"denied", config.SMTP, func(s *config.Service) { s.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, echoing,
			"421 4.7.0 mail.example.org connection not accepted, try again later\r\n", "denied"},
		{"denied", config.IMAP, func(s *config.Service) { s.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, echoing,
			"* BYE [LIMIT] connection not accepted, try again later\r\n", "denied"},
	} {
		for _, mode := range []config.TLSMode{config.Terminate, config.Reencrypt} {
			t.Run(strings.Join([]string{row.name, string(row.protocol), string(mode)}, " "), func(t *testing.T) {
				change := func(s *config.Service) {
					s.Protocol = row.protocol
					if row.change != nil {
						row.change(s)
					}
				}
				var nodes []func(net.Conn)
				if row.node != nil {
					nodes = append(nodes, row.node)
				}
				m := f.newMailRig(t, mode, change, nodes...)
				tcp := &watched{TCPConn: m.connect().TCPConn}
				c := tls.Client(tcp, &tls.Config{RootCAs: m.ca.pool, ServerName: "mail.example.org"})
				heard, err := io.ReadAll(c)
				if string(heard) != row.want || err != nil || tcp.fin {
					t.Errorf("heard %q, %v, cut: %v; want %q and close_notify", heard, err, tcp.fin, row.want)
				}
				c.Close()
				m.expectEnd(row.end)
			})
		}
	}
}

func TestLimitInsideTLS(t *testing.T) {
	m := newMailRig(t, config.Terminate, func(s *config.Service) { s.Limits.Sessions = 1 }, echoing)
	first := m.secure(nil)
	first.hear(greeting)
	second := m.secure(nil)
	second.hear("* BYE [LIMIT] too many connections, try again later\r\n")
	second.hearEnd()
	second.Close()
	m.expectEnd("limit")
	first.say("still here")
	first.hear("still here")
	first.Close()
}

// Handshakes that are made only to say no are measured out: who comes in a flood is closed without words.
func TestCourtesy(t *testing.T) {
	var c courtesy
	now := base.Add(time.Hour)
	given := 0
	for range 10 * courtesyRate.Events {
		if c.due(now) {
			given++
		}
	}
	if given != courtesyRate.Events {
		t.Errorf("%d at once, want %d", given, courtesyRate.Events)
	}
	if !c.due(now.Add(time.Second)) {
		t.Error("none a second later")
	}
	m := newMailRig(t, config.Terminate, func(s *config.Service) { s.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, echoing)
	m.server.courtesy.mu.Lock()
	m.server.courtesy.bucket = client{filled: time.Hour} // no more of them until then
	m.server.courtesy.mu.Unlock()
	if err := m.secure(nil).Handshake(); err == nil {
		t.Error("a handshake beyond the rate")
	}
	m.expectEnd("denied")
}

// What a node says reaches a client that has shut down its side, and the other way round, with checksums, in sizes and pieces of any kind.
func TestBulkOverTLS(t *testing.T) { eachForm(t, testBulkOverTLS) }

func testBulkOverTLS(t *testing.T, f form) {
	for _, row := range endings {
		sum := make(chan [32]byte, 1)
		down := randomBytes(5 << 20)
		m := f.newMailRig(t, row.mode, nil, func(c net.Conn) {
			io.WriteString(c, greeting)
			said, err := io.ReadAll(c)
			if err != nil {
				t.Errorf("the node heard %d bytes, then %v", len(said), err)
			}
			sum <- sha256.Sum256(said)
			writePieces(c, down)
			c.Close()
		})
		c := m.secure(func(s *tls.Config) { s.MaxVersion = row.version })
		c.hear(greeting)
		up := randomBytes(3 << 20)
		writePieces(c.Conn, up)
		c.CloseWrite()
		if got := <-sum; got != sha256.Sum256(up) {
			t.Errorf("%s: the node heard something else", row.mode)
		}
		heard, err := io.ReadAll(c.r)
		if err != nil || !bytes.Equal(heard, down) {
			t.Errorf("%s: %d of %d bytes came back, %v", row.mode, len(heard), len(down), err)
		}
		c.Close()
		if line := m.expectEnd("client"); line["up"] != float64(len(up)) || line["down"] != float64(len(greeting)+len(down)) {
			t.Errorf("session log: %v", line)
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	r.Read(b)
	return b
}

func writePieces(w io.Writer, b []byte) {
	for len(b) > 0 {
		n := min(1+rand.IntN(100<<10), len(b))
		if _, err := w.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// An end that was announced is announced on the other side, and one that was not is not: a cut stays one (RFC 8446, 6.1).
func TestTruncationIsPassedOn(t *testing.T) { eachForm(t, testTruncationIsPassedOn) }

func testTruncationIsPassedOn(t *testing.T, f form) {
	for _, announced := range []bool{true, false} {
		fin := make(chan bool, 1)
		m := f.newMailRig(t, config.Reencrypt, nil, func(c net.Conn) {
			io.WriteString(c, greeting)
			io.Copy(io.Discard, c)
			fin <- c.(*tls.Conn).NetConn().(*watched).fin
			c.Close()
		})
		c := m.secure(nil)
		c.hear(greeting)
		if announced {
			c.CloseWrite()
		} else {
			c.tcp.CloseWrite()
		}
		if got := <-fin; got != !announced {
			t.Errorf("the client has announced its end: %v; the node saw a bare FIN: %v", announced, got)
		}
		c.hearEnd()
		m.expectEnd("client")
	}
}

// A node's end in the clear is one that counts, so it is announced. Its reset is not.
func TestNodeEndInsideTLS(t *testing.T) { eachForm(t, testNodeEndInsideTLS) }

func testNodeEndInsideTLS(t *testing.T, f form) {
	for _, row := range []struct {
		name  string
		reset bool
		end   string
	}{{"close", false, "node"}, {"reset", true, "reset-node"}} {
		t.Run(row.name, func(t *testing.T) {
			leave := make(chan struct{})
			m := f.newMailRig(t, config.Terminate, nil, func(c net.Conn) {
				io.WriteString(c, greeting)
				<-leave
				if row.reset {
					c.(*net.TCPConn).SetLinger(0)
				}
				c.Close()
			})
			tcp := &watched{TCPConn: m.connect().TCPConn}
			c := tls.Client(tcp, &tls.Config{RootCAs: m.ca.pool, ServerName: "mail.example.org"})
			if _, err := io.ReadFull(c, make([]byte, len(greeting))); err != nil {
				t.Fatal(err)
			}
			close(leave)
			_, err := io.ReadAll(c)
			if cut := tcp.fin || err != nil; cut != row.reset {
				t.Errorf("%v, a bare FIN: %v", err, tcp.fin)
			}
			c.Close()
			m.expectEnd(row.end)
		})
	}
}

func TestClientResetInsideTLS(t *testing.T) { eachForm(t, testClientResetInsideTLS) }

func testClientResetInsideTLS(t *testing.T, f form) {
	saw := make(chan error, 1)
	m := f.newMailRig(t, config.Terminate, nil, func(c net.Conn) {
		io.WriteString(c, greeting)
		_, err := io.Copy(io.Discard, c)
		saw <- err
	})
	c := m.secure(nil)
	c.hear(greeting)
	c.tcp.SetLinger(0)
	c.tcp.Close()
	if err := <-saw; !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the node saw %v, want a reset", err)
	}
	m.expectEnd("reset-client")
}

// A client that gives up while nodes are silent is noticed, TLS or not; one that has only said all that it has to say is not given up.
func TestClientLeavesInsideTLS(t *testing.T) {
	m := newMailRig(t, config.Terminate, func(s *config.Service) { s.Timeouts.Greeting = patience }, frozen)
	c := m.secure(nil)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	m.expectEnd("left")
}

func TestEagerClientInsideTLS(t *testing.T) { eachForm(t, testEagerClientInsideTLS) }

func testEagerClientInsideTLS(t *testing.T, f form) {
	asked, heard := make(chan struct{}), make(chan string, 1)
	m := f.newMailRig(t, config.Terminate, func(s *config.Service) { s.Timeouts.Greeting = patience }, func(c net.Conn) {
		<-asked
		io.WriteString(c, greeting)
		said, _ := io.ReadAll(c)
		heard <- string(said)
	})
	c := m.secure(nil)
	c.say("a LOGOUT\r\n")
	c.CloseWrite()
	c.tcp.CloseWrite()
	var s *session
	eventually(t, "the walk has looked for the client", func() bool {
		m.server.live.mu.Lock()
		defer m.server.live.mu.Unlock()
		if len(m.server.live.all) == 1 {
			s = m.server.live.all[0]
		}
		return s != nil && s.age(time.Now()) > 3*lookFirst
	})
	close(asked)
	if got := <-heard; got != "a LOGOUT\r\n" {
		t.Errorf("the node heard %q", got)
	}
	c.hear(greeting)
	c.hearEnd()
	m.expectEnd("client")
}

// A silent session is closed without words at the end of the process, and what was quiet is seen inside TLS.
func TestDrainInsideTLS(t *testing.T) { eachForm(t, testDrainInsideTLS) }

func testDrainInsideTLS(t *testing.T, f form) {
	m := f.newMailRig(t, config.Terminate, nil, echoing)
	tcp := &watched{TCPConn: m.connect().TCPConn}
	c := tls.Client(tcp, &tls.Config{RootCAs: m.ca.pool, ServerName: "mail.example.org"})
	io.WriteString(c, "a NOOP\r\n")
	io.ReadFull(c, make([]byte, len(greeting)+8))
	eventually(t, "the session is quiet", func() bool {
		all := m.server.live.relayed()
		if len(all) != 1 {
			return false
		}
		if _, tunnelled := all[0].relay.Load().relayed.(*tunnel); tunnelled != (f == "tunnel") {
			t.Fatalf("moved by a tunnel: %v", tunnelled)
		}
		f := all[0].relay.Load().Facts()
		return f.LineEnded && f.NodeSpokeLast && f.Flushed && !f.TLS && !all[0].opaque() && f.Up == 8 && f.Down == int64(len(greeting)+8)
	})
	m.stop()
	rest, err := io.ReadAll(c)
	if err != nil || len(rest) > 0 || tcp.fin {
		t.Errorf("heard %q, %v, bare FIN: %v; want close_notify", rest, err, tcp.fin)
	}
	m.expectEnd("drained")
}

func TestIdleInsideTLS(t *testing.T) { eachForm(t, testIdleInsideTLS) }

func testIdleInsideTLS(t *testing.T, f form) {
	m := f.newMailRig(t, config.Reencrypt, func(s *config.Service) { s.Timeouts.Idle = 100 * time.Millisecond }, echoing)
	c := m.secure(nil)
	c.hear(greeting)
	c.hearEnd()
	m.expectEnd("idle")
}
