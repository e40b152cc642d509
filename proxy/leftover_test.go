package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"

	"posthouse/config"
)

// whims are what nodes do with a connection, and moods what clients do. Greetings that come late are the walk's, as are those that do not come.
var (
	whims = []script{
		echo, echo, mute, hangsUp, resets, says("* BYE not now\r\n"), says("220 wrong door\r\n"), says("* O"),
		func(c *net.TCPConn) { io.WriteString(c, "* OK half of a gree") },
		func(c *net.TCPConn) { io.WriteString(c, greeting); c.SetLinger(0) },
		func(c *net.TCPConn) { io.WriteString(c, greeting) },
		func(c *net.TCPConn) {
			io.WriteString(c, greeting[:3])
			io.WriteString(c, greeting[3:])
			io.Copy(c, c)
		},
	}
	moods = []func(*net.TCPConn){
		func(*net.TCPConn) {},
		func(c *net.TCPConn) { c.SetLinger(0) },
		func(c *net.TCPConn) { io.WriteString(c, "a NOOP\r\n"); c.SetLinger(0) },
		func(c *net.TCPConn) { io.WriteString(c, "a NOOP\r\n"); c.CloseWrite(); io.Copy(io.Discard, c) },
		func(c *net.TCPConn) { c.Read(make([]byte, 100)); io.WriteString(c, "a NOOP\r\n") },
		func(c *net.TCPConn) { c.Read(make([]byte, 100)); c.SetLinger(0) },
	}
)

// Whatever nodes and clients do, nothing is left of their sessions, and each has a line of its own.
func TestNothingIsLeft(t *testing.T) {
	for _, protocol := range []config.Protocol{config.IMAP, config.TCP} {
		var nodes []*node
		for range 4 {
			nodes = append(nodes, newNode(t, func(c *net.TCPConn) { whims[rand.IntN(len(whims))](c) }))
		}
		r := newRig(t, func(s *config.Service) {
			s.Protocol, s.Proxy = protocol, config.ProxyV2
			s.Timeouts = config.Timeouts{Connect: time.Second, Greeting: 100 * time.Millisecond, Idle: 100 * time.Millisecond}
			hedge(10 * time.Millisecond)(s)
			s.Limits = config.Limits{Sessions: 100, ClientSessions: 50}
		}, nodes...)
		const sessions = 120
		r.crowd(t, sessions, func(c *net.TCPConn) { moods[rand.IntN(len(moods))](c) })
	}
}

// crowd lets so many clients, some at a time, come and do what they do, and looks whether anything is left of them.
func (r *rig) crowd(t *testing.T, sessions int, visit func(*net.TCPConn)) {
	t.Helper()
	const crew = 20
	before := descriptors(t)
	var clients sync.WaitGroup
	for range crew {
		clients.Go(func() {
			for range sessions / crew {
				c, err := net.DialTCP("tcp4", nil, r.address(r.service.Name))
				if err != nil {
					if !errors.Is(err, unix.ECONNRESET) { // else a node's reset has been quicker
						t.Error(err)
					}
					continue
				}
				c.SetDeadline(time.Now().Add(patience))
				visit(c)
				c.Close()
			}
		})
	}
	clients.Wait()
	eventually(t, "all sessions have their line", func() bool { return len(r.log.sessions()) == sessions })
	eventually(t, "no session is left", func() bool { return r.server.Sessions() == 0 })
	eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= before+16 }) // the loops have pipes by now, and so on
	for _, b := range r.server.Router.Table().Backends() {
		eventually(t, b.Node.Name+" has no session", func() bool { return b.Sessions() == 0 })
	}
	m := r.server.Metrics.of(r.service.Name)
	if started, live := testutil.ToFloat64(m.started), testutil.ToFloat64(m.live); started != float64(sessions) || live != 0 {
		t.Errorf("%v sessions started, %v live", started, live)
	}
	ids := make(map[any]bool)
	for _, line := range r.log.sessions() {
		ids[line["id"]] = true
	}
	if len(ids) != sessions {
		t.Errorf("the lines are of %d sessions, want %d", len(ids), sessions)
	}
	l := r.server.limiters[r.service.Name]
	if l.sessions != 0 || len(l.clients.all) != 0 {
		t.Errorf("the limiter is left with %d sessions, %d clients", l.sessions, len(l.clients.all))
	}
}

// tempers are what clients do with TLS, once they have said who they are.
var tempers = []func(*net.TCPConn, *tls.Conn){
	func(c *net.TCPConn, _ *tls.Conn) {},
	func(c *net.TCPConn, _ *tls.Conn) { c.SetLinger(0) },
	func(c *net.TCPConn, _ *tls.Conn) { io.WriteString(c, "a LOGIN x y\r\n"); io.Copy(io.Discard, c) },
	func(c *net.TCPConn, _ *tls.Conn) {
		io.WriteString(c, "\x16\x03\x01\x02\x00\x01")
		c.CloseWrite()
		io.Copy(io.Discard, c)
	},
	func(c *net.TCPConn, s *tls.Conn) {
		tls.Client(halting{c, new(int)}, &tls.Config{InsecureSkipVerify: true}).Handshake()
	},
	func(c *net.TCPConn, s *tls.Conn) { s.Handshake() },
	func(c *net.TCPConn, s *tls.Conn) { s.Handshake(); c.SetLinger(0) },
	func(c *net.TCPConn, s *tls.Conn) {
		io.WriteString(s, "a NOOP\r\n")
		s.CloseWrite()
		io.Copy(io.Discard, s)
	},
	func(c *net.TCPConn, s *tls.Conn) {
		io.WriteString(s, "a NOOP\r\n")
		c.CloseWrite()
		io.Copy(io.Discard, s)
	},
	func(c *net.TCPConn, s *tls.Conn) {
		s.Read(make([]byte, 100))
		io.WriteString(s, "a NOOP\r\n")
		c.SetLinger(0)
	},
}

// halting says the first half of what it is to say, and then no more.
type halting struct {
	*net.TCPConn
	said *int
}

func (h halting) Write(b []byte) (int, error) {
	*h.said++
	if *h.said > 1 {
		return 0, io.ErrShortWrite
	}
	return h.TCPConn.Write(b[:len(b)/2])
}

func (h halting) Read(b []byte) (int, error) { return 0, io.EOF }

// The same of clients that come through a balancer, with TLS that is passed through or ends here.
func TestNothingIsLeftOfTLS(t *testing.T) {
	ca := newAuthority(t)
	settings := &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}}
	for _, mode := range []config.TLSMode{config.Passthrough, config.Terminate, config.Reencrypt} {
		visitor := func(c net.Conn) {
			switch whim := whims[rand.IntN(len(whims))]; {
			case mode == config.Terminate || rand.IntN(3) == 0:
				whim(c.(*net.TCPConn))
			default:
				s := tls.Server(c, settings)
				io.WriteString(s, greeting)
				if rand.IntN(2) == 0 {
					io.Copy(s, s)
				}
				s.Close()
			}
		}
		m := newMailRig(t, config.Terminate, func(s *config.Service) {
			s.TLS = mode
			s.Timeouts = config.Timeouts{Connect: time.Second, Greeting: 100 * time.Millisecond, Idle: 100 * time.Millisecond}
			hedge(10 * time.Millisecond)(s)
			s.Limits = config.Limits{Sessions: 100, ClientSessions: 50}
			trusted(s)
		}, visitor, visitor, visitor)
		m.crowd(t, 40, func(c *net.TCPConn) {
			headers := []string{"", "PROX", "PROXY UNKNOWN\r\n", localV2(t), headerV2(t, "192.0.2.1:1", "192.0.2.2:2"), checked(t)}
			io.WriteString(c, headers[rand.IntN(len(headers))])
			tempers[rand.IntN(len(tempers))](c, tls.Client(c, &tls.Config{ServerName: "mail.example.org", RootCAs: m.ca.pool, InsecureSkipVerify: true}))
		})
	}
}
