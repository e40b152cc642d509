package healthcheck

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/mailtest"
)

func httpJob(port uint16, what ask) job {
	j := smtpJob(port, "127.0.0.1")
	j.spec.protocol, j.spec.ask, j.spec.sni, j.agent = config.HTTP, what, "mail.example.org", "1.2"
	return j
}

func portOf(s *httptest.Server) uint16 {
	return netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
}

// TestHTTPServers: probes against net/http, with what its own server thinks of a request.
func TestHTTPServers(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "mail.example.org" || r.UserAgent() != "posthouse/1.2" || !r.Close || r.ProtoMajor != 1 || r.TLS != nil && r.TLS.NegotiatedProtocol != "http/1.1" {
			w.WriteHeader(http.StatusTeapot + 100)
		}
		switch r.URL.Path {
		case "/down":
			w.WriteHeader(http.StatusBadGateway)
		case "/large":
			io.Copy(w, io.LimitReader(endless{}, 1<<20))
		case "/chunks":
			w.Header().Set("Server", "x")
			w.(http.Flusher).Flush()
			io.WriteString(w, "more")
		case "/dav":
			w.Header().Set("DAV", "1, 2")
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	defer plain.Close()
	secure.EnableHTTP2 = true
	secure.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	for _, c := range []struct {
		name   string
		server *httptest.Server
		tls    bool
		proxy  config.ProxyVersion
		ask    ask
		want   string // good and what was learned, or a part of the reason
	}{
		{"plain", plain, false, 0, ask{"GET", "/"}, "good  []"},
		{"chunks", plain, false, 0, ask{"GET", "/chunks"}, "good x []"},
		{"large", plain, false, 0, ask{"GET", "/large"}, "good  []"},
		{"dav", plain, false, 0, ask{"OPTIONS", "/dav"}, "good  [DAV 1 DAV 2]"},
		{"down", plain, false, 0, ask{"GET", "/down"}, "answers GET /down with 502 Bad Gateway"},
		{"tls", secure, true, 0, ask{"GET", "/"}, "good  []"},
		{"down in tls", secure, true, 0, ask{"GET", "/down"}, "answers GET /down with 502 Bad Gateway"},
		{"plain to tls", secure, false, 0, ask{"GET", "/"}, "it expects TLS on port"},
		{"tls to plain", plain, true, 0, ask{"GET", "/"}, "no TLS on port"},
		{"header to plain", plain, false, config.ProxyV2, ask{"GET", "/"}, "400 Bad Request; or it does not expect the header that proxy_protocol: v2 sends"},
		{"old header to plain", plain, false, config.ProxyV1, ask{"GET", "/"}, "does not expect the header that proxy_protocol: v1 sends"},
	} {
		j := httpJob(portOf(c.server), c.ask)
		j.spec.tls, j.spec.proxy, j.spec.strict = c.tls, c.proxy, true
		o := j.run(t.Context())
		got := "good " + o.version + " [" + strings.Join(o.capabilities, " ") + "]"
		if !o.good() {
			got = o.failure.reason
		} else if o.greeting <= 0 || c.tls == o.expiry.IsZero() {
			t.Errorf("%s: greeting %v, expiry %v", c.name, o.greeting, o.expiry)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q\n%s", c.name, got, c.want, o.transcript)
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestMailNodes: the JMAP and WebDAV nodes of the demo, with one probe for each question and the header that they want.
func TestMailNodes(t *testing.T) {
	ca, err := mailtest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	settings, err := ca.Server("mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	const at = "127.0.0.1:0"
	for _, version := range []config.ProxyVersion{config.ProxyNone, config.ProxyV1, config.ProxyV2} {
		n := &mailtest.Node{Name: "a", TLS: settings, Proxy: version, Address: map[string]string{"jmap": at, "webdav": at, "jmap-plain": at, "webdav-plain": at}}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			service string
			ask     ask
			want    []string
		}{
			{"jmap", ask{"GET", jmapPath}, []string{"JMAP"}},
			{"webdav", ask{"OPTIONS", davPath}, []string{"DAV 1", "DAV 3", "DAV ADDRESSBOOK", "DAV CALENDAR-ACCESS"}},
			{"jmap-plain", ask{"GET", jmapPath}, []string{"JMAP"}},
			{"webdav-plain", ask{"OPTIONS", davPath}, []string{"DAV 1", "DAV 3", "DAV ADDRESSBOOK", "DAV CALENDAR-ACCESS"}},
		} {
			j := httpJob(n.Addr(c.service).Port(), c.ask)
			j.spec.proxy, j.spec.strict, j.spec.tls = version, true, !strings.HasSuffix(c.service, "plain")
			if o := j.run(t.Context()); !o.good() || !slices.Equal(o.capabilities, c.want) {
				t.Errorf("%s, header %d: %v, %v, want %v\n%s", c.service, version, o.failure, o.capabilities, c.want, o.transcript)
			}
		}
		n.Kill()
	}
}

// TestSharedRequest: services that ask the same on one port cost the node one request.
func TestSharedRequest(t *testing.T) {
	asked := make(chan string, 100)
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.Path
		if r.Method == "OPTIONS" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer node.Close()
	yaml := strings.ReplaceAll(`
cluster: mail.example.org
defaults: {check: {interval: 10m}}
services: {jmap: {tls: none, port: PORT}, webdav: {tls: none, port: PORT, check: {fall: 1}}, http: {tls: none, port: PORT}}
nodes: [{name: a, address: 127.0.0.1, services: [jmap, webdav, http]}]
`, "PORT", node.URL[strings.LastIndexByte(node.URL, ':')+1:])
	b := newBench(topology(t, yaml), nil)
	stop := b.start()
	eventually(t, "all decided", func() bool {
		return b.of("a", "jmap").State == config.Up && b.of("a", "http").State == config.Up && b.of("a", "webdav").State == config.Down
	})
	stop()
	if h := b.of("a", "http"); h.Capabilities[0] != "JMAP" {
		t.Errorf("http: %+v", h)
	}
	node.Close() // waits for what is still asked
	close(asked)
	seen := make(map[string]int)
	for what := range asked {
		seen[what]++
	}
	if len(seen) != 2 || seen["GET /.well-known/jmap"] != 1 || seen["OPTIONS /dav/cal"] != 1 {
		t.Errorf("the node was asked %v", seen)
	}
}

// TestDAVMissing: a node without WebDAV at the path is spoken of once, and stays.
func TestDAVMissing(t *testing.T) {
	answer := func(job) outcome { return outcome{undav: true, capabilities: []string{}} }
	scene(t, `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1, services: [webdav]}, {name: b, address: 10.0.0.2, services: [webdav]}]
`, answer, func(t *testing.T, b *bench) {
		after(time.Minute)
		if n := strings.Count(b.said(), "without a DAV header"); n != 1 || b.of("b", "webdav").State != config.Up {
			t.Errorf("said %d times, want once; %v", n, b.of("b", "webdav").State)
		}
	})
}
