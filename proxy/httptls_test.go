package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"posthouse/config"
)

// newTLSRig is a rig with one http service whose TLS ends here. secure says whether nodes get TLS too.
func newTLSRig(t *testing.T, mode config.TLSMode, node func(ca *authority) *node) (*rig, *authority) {
	t.Helper()
	ca, dir := newAuthority(t), t.TempDir()
	r := &rig{t: t, log: new(logBuffer)}
	r.topology = newTopology(func(s *config.Service) {
		httpService(s)
		s.TLS = mode
	}, node(ca))
	r.topology.TLS = config.TLS{
		Certificates: []config.Certificate{writePair(t, dir, "client", ca.issue("mail.example.org", nil, "mail.example.org"))},
		NodeCA:       ca.file(dir), NodeName: "mail.example.org", NodeVerify: true, MinVersion: tls.VersionTLS12,
	}
	r.service = r.topology.Services[0]
	r.start()
	return r, ca
}

// tlsHandler is a node of net/http with TLS.
func tlsHandler(t testing.TB, ca *authority, h http.HandlerFunc) *node {
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}, NextProtos: []string{"http/1.1"}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return &node{port: uint16(s.Listener.Addr().(*net.TCPAddr).Port)}
}

// settings of a client that trusts the authority.
func (a *authority) settings() *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: "mail.example.org", NextProtos: []string{"http/1.1"}}
}

func TestHTTPOverTLS(t *testing.T) {
	echoes := func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		fmt.Fprintf(w, "%s %s %d", q.Header.Get("X-Forwarded-Proto"), q.TLS.ServerName, len(body))
	}
	plainEchoes := func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		fmt.Fprintf(w, "%s %d", q.Header.Get("X-Forwarded-Proto"), len(body))
	}
	for _, row := range []struct {
		mode config.TLSMode
		node func(*authority) *node
		want string
	}{
		{config.Terminate, func(*authority) *node { return handler(t, plainEchoes) }, "https %d"},
		{config.Reencrypt, func(ca *authority) *node { return tlsHandler(t, ca, echoes) }, "https mail.example.org %d"},
	} {
		r, ca := newTLSRig(t, row.mode, row.node)
		c := browser(t)
		c.Transport.(*http.Transport).TLSClientConfig = ca.settings()
		for _, size := range []int{0, 10, 100, 5000, 1 << 20} {
			url := "https://" + r.address("http").String() + "/"
			res, err := c.Post(url, "text/plain", strings.NewReader(strings.Repeat("x", size)))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if want := fmt.Sprintf(row.want, size); string(body) != want {
				t.Errorf("%s: %q, want %q", row.mode, body, want)
			}
		}
		c.CloseIdleConnections()
		if line := r.expectEnd("client"); line["requests"] != 5.0 || line["tls"] == "" {
			t.Errorf("%v", line)
		}
	}
}

// TestHTTPWebSocketOverTLS goes through the tunnel.
func TestHTTPWebSocketOverTLS(t *testing.T) {
	r, ca := newTLSRig(t, config.Terminate, func(*authority) *node { return newNode(t, webSocket(nil)) })
	raw := r.connect()
	c := tls.Client(raw.TCPConn, ca.settings())
	io.WriteString(c, upgradeRequest+"early")
	b := bufio.NewReader(c)
	if res, err := http.ReadResponse(b, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	for _, want := range []string{"firstearly", "ping", strings.Repeat("z", 100<<10)} {
		if want[0] != 'f' {
			go io.WriteString(c, want)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(b, got); err != nil || string(got) != want {
			t.Fatalf("heard %.20q, %v, want %.20q", got, err, want)
		}
	}
	c.CloseWrite()
	if rest, err := io.ReadAll(b); err != nil || len(rest) > 0 {
		t.Errorf("heard %q, %v, want the end", rest, err)
	}
	r.expectEnd("client")
}

// TestHTTPDeniedOverTLS says nothing in the clear to a client that expects TLS.
func TestHTTPDeniedOverTLS(t *testing.T) {
	r, _ := newTLSRig(t, config.Terminate, func(*authority) *node { return newNode(t, mute) })
	c := r.connect()
	c.say(get("/"))
	if rest, _ := c.hearRest(); strings.Contains(rest, "HTTP") {
		t.Errorf("heard %q", rest)
	}
	r.expectEnd("hello")
}

// TestHTTPTruncatedByNode has a node whose response ends with its connection, and whose TLS ends without close_notify: somebody may
// have cut it, so the client must not take it for whole.
func TestHTTPTruncatedByNode(t *testing.T) {
	for _, announced := range []bool{false, true} {
		r, ca := newTLSRig(t, config.Reencrypt, func(ca *authority) *node {
			pair := ca.issue("node", nil, "mail.example.org")
			return newNode(t, func(c *net.TCPConn) {
				secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
				if _, ok := readHead(bufio.NewReader(secure)); !ok {
					return
				}
				io.WriteString(secure, "HTTP/1.1 200 OK\r\n\r\nhalf of it")
				if announced {
					secure.CloseWrite()
				}
				c.CloseWrite()
				io.Copy(io.Discard, c)
			})
		})
		c := tls.Client(r.connect().TCPConn, ca.settings())
		io.WriteString(c, get("/"))
		text, err := io.ReadAll(c)
		if want := "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it"; announced && (string(text) != want || err != nil) {
			t.Errorf("heard %q, %v, want %q", text, err, want)
		}
		if !announced && err == nil {
			t.Errorf("heard %q and a good end", text)
		}
		r.expectEnd(map[bool]string{false: "node", true: "answered"}[announced])
	}
}

// TestHTTPEarlyResponseOverTLS has a client that sends all of its body before it reads the answer, which comes early: the connection must
// not be reset under it.
func TestHTTPEarlyResponseOverTLS(t *testing.T) {
	r, ca := newTLSRig(t, config.Terminate, func(*authority) *node {
		return newNode(t, func(c *net.TCPConn) {
			http.ReadRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
		})
	})
	const size = 1 << 20
	c := tls.Client(r.connect().TCPConn, ca.settings())
	fmt.Fprintf(c, "PUT / HTTP/1.1\r\n"+hostField+"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", size)
	eventually(t, "our side's end", func() bool { return len(r.log.sessions()) == 1 })
	for sent := 0; sent < size; sent += 16 << 10 {
		if _, err := c.Write(make([]byte, 16<<10)); err != nil {
			t.Fatalf("behind %d bytes: %v", sent, err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 413 {
		t.Errorf("%v, %v", res, err)
	}
}

// TestHTTPWebSocketBuffered has both sides say more with their heads than we read with them: the rest is inside crypto/tls when the
// relay gets the connections, and nothing more comes from the sockets.
func TestHTTPWebSocketBuffered(t *testing.T) {
	early, first := strings.Repeat("e", 12<<10), strings.Repeat("f", 12<<10)
	r, ca := newTLSRig(t, config.Reencrypt, func(ca *authority) *node {
		settings := &tls.Config{
			Certificates: []tls.Certificate{ca.issue("node", nil, "mail.example.org")}, NextProtos: []string{"http/1.1"}, DynamicRecordSizingDisabled: true,
		}
		return newNode(t, func(c *net.TCPConn) {
			secure := tls.Server(c, settings)
			in := bufio.NewReader(secure)
			if _, ok := readHead(in); !ok {
				return
			}
			io.WriteString(secure, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"+first)
			io.Copy(secure, in)
		})
	})
	settings := ca.settings()
	settings.DynamicRecordSizingDisabled = true
	c := tls.Client(r.connect().TCPConn, settings)
	io.WriteString(c, upgradeRequest+early)
	b := bufio.NewReader(c)
	if res, err := http.ReadResponse(b, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	got := make([]byte, len(first)+len(early))
	if n, err := io.ReadFull(b, got); err != nil || string(got) != first+early {
		t.Errorf("heard %d bytes, %v, want %d", n, err, len(got))
	}
}
