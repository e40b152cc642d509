package proxy

import (
	"net/netip"
	"testing"

	"posthouse/config"
	"posthouse/routing"
)

func TestHTTPRedirect(t *testing.T) {
	n := named(t, "node")
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(httpService, n)}
	r.service = r.topology.Services[0]
	r.service.Listen = []netip.AddrPort{}
	r.service.RedirectListen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	r.start()
	for _, row := range []struct {
		request  string
		status   int
		location string
	}{
		{"GET /a?b=c HTTP/1.1\r\nHost: mail.example.org\r\n\r\n", 308, "https://mail.example.org/a?b=c"},
		{"POST /jmap/../dav HTTP/1.1\r\nHost: mail.example.org:80\r\nContent-Length: 3\r\n\r\nabc", 308, "https://mail.example.org/jmap/../dav"},
		{"HEAD / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n", 308, "https://[2001:db8::1]/"},
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 308, "https://a/"},
		{"GET http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n", 308, "https://b.example/x"},
		{"GET / HTTP/1.0\r\n\r\n", 308, "https://mail.example.org/"},
		{"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a\r\n\r\n", 200, ""},
		{"GET /.well-known/acme-challenge/../../admin HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
		{"GET /.well-known/acme-challenge/%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
	} {
		c := r.connect()
		res, body := c.ask(row.request)
		if res.StatusCode != row.status || res.Header.Get("Location") != row.location {
			t.Errorf("%.40q: %d %q %q, want %d %q", row.request, res.StatusCode, res.Header.Get("Location"), body, row.status, row.location)
		}
		c.Close()
	}
}

func TestSecureAddress(t *testing.T) {
	for _, row := range []struct {
		host string
		port uint16
		want string
	}{
		{"a", 443, "https://a"}, {"a:80", 443, "https://a"}, {"a:8080", 8443, "https://a:8443"}, {"[::1]", 443, "https://[::1]"},
		{"[::1]:80", 8443, "https://[::1]:8443"},
	} {
		if got := secureAddress(row.host, row.port); got != row.want {
			t.Errorf("secureAddress(%s, %d) = %s, want %s", row.host, row.port, got, row.want)
		}
	}
}

// TestPlainPort wants challenges at the nodes' plain port wherever the service itself has TLS.
func TestPlainPort(t *testing.T) {
	for _, row := range []struct {
		mode config.TLSMode
		want uint16
	}{{config.Passthrough, 8080}, {config.Reencrypt, 8080}, {config.Terminate, 80}, {config.TLSNone, 80}} {
		topology := newTopology(func(s *config.Service) {
			httpService(s)
			s.TLS = row.mode
		})
		b := &routing.Backend{Node: new(config.Node), Service: topology.Services[0]}
		w := &walk{plain: true, session: &session{approach: new(approach)}, topology: topology}
		if got := w.target(b, netip.MustParseAddrPort("10.0.0.1:80")); got.Port() != row.want {
			t.Errorf("%s: port %d, want %d", row.mode, got.Port(), row.want)
		}
	}
}
