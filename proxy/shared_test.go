package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	proxyproto "github.com/pires/go-proxyproto"

	"posthouse/config"
)

// webNode speaks PROXY v2, TLS and HTTP, and says who it is, for which name, method and path.
func webNode(t testing.TB, name string, cert tls.Certificate, headers chan<- *proxyproto.Header) *node {
	return newNode(t, readsHeader(headers, func(c *net.TCPConn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
		in := bufio.NewReader(s)
		for {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, request.Body)
			body := fmt.Sprintf("%s %s %s %s", name, s.ConnectionState().ServerName, request.Method, request.URL.Path)
			fmt.Fprintf(s, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}))
}

// startFile starts a server with a topology file.
func startFile(t *testing.T, text string) *rig {
	t.Helper()
	file := config.File{Name: "topology.yaml", Data: []byte(text)}
	topology, err := config.Parse(config.Source{Path: file.Name, Files: []config.File{file}}, config.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, log: new(logBuffer), topology: topology}
	r.start()
	return r
}

// freeAddress is one on which nobody listens, nor will, but for its caller: all else in these tests and in those of other packages is at
// other addresses of loopback.
func freeAddress(t *testing.T) string {
	t.Helper()
	id := os.Getpid()
	l, err := net.Listen("tcp4", fmt.Sprintf("127.%d.%d.%d:0", 128+id>>16&63, id>>8&255, id&255))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// browser is an HTTP client for names that all lead to one service's address. Each request has a connection of its own.
func (r *rig) browser(service string, ca *authority) *http.Client {
	at := r.address(service).String()
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp4", at)
		},
		TLSClientConfig: &tls.Config{RootCAs: ca.pool, NextProtos: []string{"http/1.1"}}, DisableKeepAlives: true,
	}}
}

func visit(t *testing.T, c *http.Client, method, url string) string {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// jmap, webdav and http share an address by passthrough: the first of them that a node runs stands for all, and its keys count.
func TestHTTPServicesShareByPassthrough(t *testing.T) {
	ca := newAuthority(t)
	for _, all := range [][]string{{"jmap", "webdav", "http"}, {"webdav", "http"}} {
		t.Run(all[0]+" leads", func(t *testing.T) {
			headers := make(chan *proxyproto.Header, 3)
			n := webNode(t, "node-1", ca.issue("mail", nil, "mail.example.org"), headers)
			listen := fmt.Sprintf(`{listen: [%q], proxy_protocol: v2}`, freeAddress(t))
			r := startFile(t, fmt.Sprintf(`
cluster: mail.example.org
nodes:
  - {name: node-1, address: 127.0.0.1, services: [%s], ports: {%s: %d}}
services: {jmap: %[4]s, webdav: %[4]s, http: %[4]s}
`, strings.Join(all, ", "), all[0], n.port, listen))
			if n := r.listening(); n != 1 {
				t.Fatalf("%d listeners, want 1", n)
			}
			c := r.browser(all[0], ca)
			for i, asked := range []string{"POST /jmap/", "PROPFIND /dav/cal/a", "GET /account"} {
				method, path, _ := strings.Cut(asked, " ")
				if got, want := visit(t, c, method, "https://mail.example.org"+path), "node-1 mail.example.org "+asked; got != want {
					t.Errorf("%s: %q, want %q", asked, got, want)
				}
				line := r.ended(i + 1)
				if line["service"] != all[0] || line["node"] != "node-1" || line["sni"] != "mail.example.org" {
					t.Errorf("session log: %v", line)
				}
				told(t, <-headers, line, "mail.example.org")
			}
			if got := testutil.ToFloat64(r.server.Metrics.of(all[0]).started); got != 3 {
				t.Errorf("%v sessions of %s", got, all[0])
			}
		})
	}
}

// told sees that a node's PROXY header speaks of the session in the log, and of the hello that came with it.
func told(t *testing.T, h *proxyproto.Header, line map[string]any, name string) {
	t.Helper()
	if h == nil {
		t.Fatal("the node got no good header")
	}
	got := []string{
		h.SourceAddr.String(), tlvOf(t, h, proxyproto.PP2_TYPE_UNIQUE_ID),
		tlvOf(t, h, proxyproto.PP2_TYPE_AUTHORITY), tlvOf(t, h, proxyproto.PP2_TYPE_ALPN),
	}
	if want := []string{line["client"].(string), line["id"].(string), name, "http/1.1"}; h.Version != 2 || !slices.Equal(got, want) {
		t.Errorf("version %d, the node was told %v, want %v", h.Version, got, want)
	}
}

// Two services on one address, told apart by the server name, have nodes of their own.
func TestHTTPServicesByServerName(t *testing.T) {
	ca := newAuthority(t)
	headers := make(chan *proxyproto.Header, 2)
	first := webNode(t, "node-1", ca.issue("one", nil, "jmap.example.org"), headers)
	second := webNode(t, "node-2", ca.issue("two", nil, "dav.example.org"), headers)
	at := fmt.Sprintf(`listen: [%q], proxy_protocol: v2`, freeAddress(t))
	r := startFile(t, fmt.Sprintf(`
cluster: mail.example.org
nodes:
  - {name: node-1, address: 127.0.0.1, services: [jmap], ports: {jmap: %d}}
  - {name: node-2, address: 127.0.0.1, services: [webdav], ports: {webdav: %d}}
services:
  jmap: {server_names: [jmap.example.org], %[3]s}
  webdav: {server_names: [dav.example.org], %[3]s}
`, first.port, second.port, at))
	c := r.browser("jmap", ca)
	for i, row := range []struct{ service, name, want string }{
		{"jmap", "jmap.example.org", "node-1 jmap.example.org GET /jmap/session"},
		{"webdav", "dav.example.org", "node-2 dav.example.org GET /jmap/session"},
	} {
		if got := visit(t, c, "GET", "https://"+row.name+"/jmap/session"); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		line := r.ended(i + 1)
		if line["service"] != row.service {
			t.Errorf("session log: %v", line)
		}
		told(t, <-headers, line, row.name)
	}
	if _, err := c.Get("https://mail.example.org/"); err == nil {
		t.Error("a name of neither was served")
	}
	if line := r.ended(3); line["end"] != "server-name" {
		t.Errorf("session log: %v", line)
	}
}
