package proxy

import (
	"bufio"
	"net"
	"net/netip"
	"testing"

	"posthouse/config"
)

// TestHTTPReload changes paths and limits under a client that is connected: its next request goes by the new ones.
func TestHTTPReload(t *testing.T) {
	r := newPathRig(t, named(t, "jmap"), named(t, "webdav"), named(t, "http"))
	c := r.connect()
	if _, body := c.ask(get("/dav/x")); body != "webdav GET /dav/x" {
		t.Errorf("%q", body)
	}
	next := *r.topology
	next.Services = nil
	for _, s := range r.topology.Services {
		changed := *s
		switch s.Name {
		case "webdav":
			changed.Paths = []string{"/files"}
		case "jmap":
			changed.Limits.ClientRate = config.Rate{Events: 1, Per: 1 << 50}
		}
		next.Services = append(next.Services, &changed)
	}
	r.server.Router.Publish(&next)
	change, err := r.server.Prepare(&next)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	for _, row := range []struct {
		path   string
		status int
		want   string
	}{
		{"/dav/x", 200, "http GET /dav/x"}, {"/files/x", 200, "webdav GET /files/x"}, {"/jmap", 200, "jmap GET /jmap"}, {"/jmap", 429, ""},
		{"/", 200, "http GET /"},
	} {
		if res, body := c.ask(get(row.path)); res.StatusCode != row.status || row.status == 200 && body != row.want {
			t.Errorf("%s: %s %q, want %d %q", row.path, res.Status, body, row.status, row.want)
		}
	}
	if r.server.pools.era < 2 {
		t.Errorf("era %d: the pools were not renewed", r.server.pools.era)
	}
}

// TestHTTPReloadDuringRequest reloads while a request is in flight, whose node fails then. The connection that takes it over is made, and
// verified, as it was before: it serves this request alone.
func TestHTTPReloadDuringRequest(t *testing.T) {
	asked, leave := make(chan bool), make(chan bool)
	first := newNode(t, func(c *net.TCPConn) {
		readHead(bufio.NewReader(c))
		close(asked)
		<-leave
	})
	second := newNode(t, responder)
	r := newHTTPRig(t, nil, first, second)
	c := r.connect()
	c.say(get("/"))
	<-asked
	r.apply(with(r.topology, copyOf(r.service, func(*config.Service) {})))
	close(leave)
	if res, _ := c.response("GET"); res.StatusCode != 200 || second.accepted() != 1 {
		t.Fatalf("%s", res.Status)
	}
	r.server.pools.mu.Lock()
	defer r.server.pools.mu.Unlock()
	if n := len(r.server.pools.idle); n != 0 {
		t.Errorf("connections to %d nodes are kept for others", n)
	}
}

// TestHTTPReloadOfKind makes something else of the service of a client that is connected: it is told so once, and comes back.
func TestHTTPReloadOfKind(t *testing.T) {
	for name, change := range map[string]func(*config.Service){
		"its TLS":      func(s *config.Service) { s.TLS = config.Reencrypt },
		"its protocol": func(s *config.Service) { s.Protocol = config.IMAP },
		"gone": func(s *config.Service) {
			s.Name, s.Listen = "other", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.2:0")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHTTPRig(t, nil, newNode(t, responder))
			c := r.connect()
			c.ask(get("/"))
			r.apply(with(r.topology, copyOf(r.service, change)))
			if res, _ := c.ask(get("/")); res.StatusCode != 503 || !res.Close {
				t.Errorf("%s, close %t", res.Status, res.Close)
			}
			c.hearEnd()
		})
	}
}
