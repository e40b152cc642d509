package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/proxy/relay"
)

// mailRig is a rig with one service whose clients' TLS ends here.
type mailRig struct {
	*rig
	ca *authority
}

// newMailRig serves imaps unless change says otherwise. Nodes are scripts that speak TLS where the mode is reencrypt.
func newMailRig(t testing.TB, mode config.TLSMode, change func(*config.Service), nodes ...func(net.Conn)) *mailRig {
	t.Helper()
	return startMailRig(t, false, mode, change, nodes...)
}

func startMailRig(t testing.TB, loopless bool, mode config.TLSMode, change func(*config.Service), nodes ...func(net.Conn)) *mailRig {
	t.Helper()
	m := &mailRig{ca: newAuthority(t)}
	dir := t.TempDir()
	made := make([]*node, len(nodes))
	for i, serve := range nodes {
		made[i] = newNode(t, func(c *net.TCPConn) {
			if mode != config.Reencrypt {
				serve(c)
				return
			}
			serve(tls.Server(&watched{TCPConn: c}, &tls.Config{Certificates: []tls.Certificate{m.ca.issue("node", nil, "mail.example.org")}}))
		})
	}
	topology := newTopology(func(s *config.Service) {
		s.TLS = mode
		if change != nil {
			change(s)
		}
	}, made...)
	topology.TLS = config.TLS{
		Certificates: []config.Certificate{writePair(t, dir, "mail", m.ca.issue("mail.example.org", nil, "mail.example.org"))},
		NodeCA:       m.ca.file(dir), NodeName: "mail.example.org", NodeVerify: true, MinVersion: tls.VersionTLS12,
	}
	m.rig = &rig{t: t, log: new(logBuffer), topology: topology, service: topology.Services[0], loopless: loopless}
	m.rig.start()
	return m
}

// form is a way to move the bytes of sessions with TLS: the relay's, or by tunnels.
type form string

func eachForm(t *testing.T, test func(*testing.T, form)) {
	for _, f := range []form{"relay", "tunnel"} {
		t.Run(string(f), func(t *testing.T) {
			if f == "relay" && relay.Loops() == 0 {
				t.Skip("without loops tunnels move these sessions")
			}
			test(t, f)
		})
	}
}

func (f form) newMailRig(t testing.TB, mode config.TLSMode, change func(*config.Service), nodes ...func(net.Conn)) *mailRig {
	t.Helper()
	return startMailRig(t, f == "tunnel", mode, change, nodes...)
}

// secureClient is a TLS client over a connection whose TCP it can reach too.
type secureClient struct {
	*tls.Conn
	tcp *peer
	r   *bufio.Reader
}

// secure connects; change may be nil.
func (m *mailRig) secure(change func(*tls.Config)) *secureClient {
	m.t.Helper()
	settings := &tls.Config{RootCAs: m.ca.pool, ServerName: "mail.example.org"}
	if change != nil {
		change(settings)
	}
	tcp := m.connect()
	c := tls.Client(tcp.TCPConn, settings)
	return &secureClient{c, tcp, bufio.NewReader(c)}
}

func (c *secureClient) hear(want string) {
	c.tcp.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.r, got)
	if string(got[:n]) != want {
		c.tcp.t.Fatalf("heard %q (%v), want %q", got[:n], err, want)
	}
}

func (c *secureClient) say(text string) {
	c.tcp.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.tcp.t.Errorf("say %q: %v", text, err)
	}
}

// hearEnd reads to the close_notify.
func (c *secureClient) hearEnd() {
	c.tcp.t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil || len(rest) > 0 {
		c.tcp.t.Errorf("heard %q, %v, want the end", rest, err)
	}
}

// echoing greets and says everything back until the other side closes, and closes then.
func echoing(c net.Conn) {
	io.WriteString(c, greeting)
	io.Copy(c, c)
	c.(interface{ CloseWrite() error }).CloseWrite()
}

// watched is a connection under TLS that knows whether its end was seen. crypto/tls reads nothing after a close_notify.
type watched struct {
	*net.TCPConn
	fin bool
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.TCPConn.Read(b)
	w.fin = w.fin || err == io.EOF
	return n, err
}

// frozen says nothing, not even in TLS, until the other side is gone.
func frozen(c net.Conn) {
	if s, ok := c.(*tls.Conn); ok {
		c = s.NetConn()
	}
	io.Copy(io.Discard, c)
}

func quickly(s *config.Service) {
	s.Timeouts.Connect, s.Timeouts.Greeting = 500*time.Millisecond, 500*time.Millisecond
}
