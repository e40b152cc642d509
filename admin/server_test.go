package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"posthouse/config"
	"posthouse/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topology = `
cluster: mail.example.org
regions: {eu: {reach: none}, us: {}, ap: {state: drain}}
region: us
nodes:
  - {name: us-1, address: 127.0.1.1, region: us, services: [imaps, smtp]}
  - {name: us-2, address: 127.0.1.2, region: us, services: [imaps], state: drain}
  - {name: eu-1, address: 127.0.1.3, region: eu, services: [pop3s]}
  - {name: ap-1, address: 127.0.1.4, region: ap, services: [smtp]}
`

func load(t *testing.T, text string) *config.Topology {
	t.Helper()
	topology, err := config.Parse(config.Source{Path: "t.yaml", Files: []config.File{{Name: "t.yaml", Data: []byte(text)}}}, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// running is a server on a unix socket, so that no port can be taken already; ask sends it a request.
type running struct {
	*Server
	router *routing.Router
	path   string
}

func start(t *testing.T, a config.Admin) *running {
	t.Helper()
	router := routing.NewRouter(load(t, topology), slog.New(slog.DiscardHandler))
	s := &Server{Router: router, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}
	return serveOn(t, s, a)
}

// serveOn runs a server until the test ends.
func serveOn(t *testing.T, s *Server, a config.Admin) *running {
	t.Helper()
	r := &running{s, s.Router, filepath.Join(t.TempDir(), "admin.sock")}
	if a.Listen == "" {
		a.Listen = "unix:" + r.path
	}
	change, err := s.Prepare(a)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return r
}

func (r *running) ask(t *testing.T, method, target string, header http.Header) (int, http.Header, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.path)
	}}
	q, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		q.Header[k] = v
	}
	if h := header.Get("Host"); h != "" {
		q.Host = h
	}
	response, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

func TestAnswers(t *testing.T) {
	r := start(t, config.Admin{})
	r.router.SetHealth(config.Target{Node: "us-1", Service: "imaps"}, config.Health{State: config.Up})
	for _, row := range []struct {
		method, target string
		header         http.Header
		status         int
		body           string
	}{
		{"GET", "/healthz", nil, 200, "ok"},
		{"GET", "/readyz", nil, 200, "ready"},
		{"GET", "/readyz?service=imaps", nil, 200, "ready"},
		{"GET", "/readyz?service=pop3s", nil, 503, "no usable node"}, // its only region may not be reached
		{"GET", "/readyz?service=imap4", nil, 404, "no service"},
		{"GET", "/metrics", nil, 200, ""},
		{"HEAD", "/healthz", nil, 200, ""},
		{"POST", "/healthz", nil, 405, "Method Not Allowed"},
		{"GET", "/api/v1/none", nil, 404, "there is nothing at /api/v1/none"},
		{"GET", "/healthz", http.Header{"Host": {"evil.example"}}, 421, "loopback"},
		{"GET", "/healthz", http.Header{"Host": {"127.0.0.1:9070"}}, 200, "ok"},
		{"GET", "/healthz", http.Header{"Host": {"[::1]:9070"}}, 200, "ok"},
		{"GET", "/healthz", http.Header{"Origin": {"https://evil.example"}}, 403, "other origins"},
		{"GET", "/healthz", http.Header{"Origin": {"null"}}, 403, "other origins"},
		{"GET", "/healthz", http.Header{"Origin": {"http://localhost"}}, 200, "ok"},
	} {
		status, header, body := r.ask(t, row.method, row.target, row.header)
		if status != row.status || !strings.Contains(body, row.body) {
			t.Errorf("%s %s %v = %d %q, want %d %q", row.method, row.target, row.header, status, body, row.status, row.body)
		}
		if kind := header.Get("Content-Type"); status >= 400 && kind != "application/problem+json" {
			t.Errorf("%s %s is of type %q, want problem details", row.method, row.target, kind)
		}
	}
	r.Unready()
	if status, _, _ := r.ask(t, "GET", "/readyz", nil); status != 503 {
		t.Errorf("/readyz while draining = %d, want 503", status)
	}
	if status, _, _ := r.ask(t, "GET", "/healthz", nil); status != 200 {
		t.Errorf("/healthz while draining = %d, want 200", status)
	}
}

func TestNodes(t *testing.T) {
	r := start(t, config.Admin{})
	_, _, body := r.ask(t, "GET", "/api/v1/nodes", nil)
	var got struct{ Nodes []node }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, n := range got.Nodes {
		row := n.Name + " " + n.Region + " " + n.State
		for _, s := range n.Services {
			row += " " + s.Name + "=" + s.State
			if !s.Usable {
				row += "!"
			}
		}
		rows = append(rows, row)
	}
	if _, _, body := r.ask(t, "GET", "/api/v1/nodes?name=us-2", nil); !strings.Contains(body, `"us-2"`) || strings.Contains(body, `"us-1"`) {
		t.Errorf("nodes of the name us-2 = %s", body)
	}
	// eu-1 is in a region that may not be reached: listed, with nothing to say of its services.
	want := "us-1 us active smtp=unknown imaps=unknown, us-2 us drain imaps=unknown!, eu-1 eu active, ap-1 ap active smtp=unknown!"
	if s := strings.Join(rows, ", "); s != want {
		t.Errorf("nodes = %s\n want %s", s, want)
	}
}

func TestToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, config.Admin{TokenFile: token})
	for _, row := range []struct {
		target, authorization string
		status                int
	}{
		{"/healthz", "", 200},
		{"/readyz", "", 200},
		{"/", "", 200}, // the page asks its reader for the token
		{"/page/main.js", "", 200},
		{"/page/none.js", "", 404},
		{"/api/v1/overview", "", 401},
		{"/metrics", "", 401},
		{"/api/v1/nodes", "", 401},
		{"/api/v1/nodes", "Bearer 0123456789abcdeX", 401},
		{"/api/v1/nodes", "Bearer ", 401},
		{"/api/v1/nodes", "Bearer 0123456789abcdef", 200},
		{"/debug/pprof/goroutine?debug=1", "", 401},
		{"/debug/pprof/goroutine?debug=1", "Bearer 0123456789abcdef", 200},
		{"/debug/pprof/", "Bearer 0123456789abcdef", 200},
	} {
		status, header, _ := r.ask(t, "GET", row.target, http.Header{"Authorization": {row.authorization}})
		if status != row.status {
			t.Errorf("GET %s with %q = %d, want %d", row.target, row.authorization, status, row.status)
		}
		policy := header.Get("Content-Security-Policy")
		if page := row.target == "/" || strings.HasPrefix(row.target, "/page/"); page != strings.Contains(policy, "default-src 'none'") {
			t.Errorf("GET %s has the policy %q", row.target, policy)
		}
	}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Prepare(config.Admin{Listen: "unix:" + r.path, TokenFile: short}); err == nil {
		t.Error("a token of 6 characters was taken")
	}
}

// TestMoves reloads the section: the same address keeps its listener, another one is bound before the old one closes.
func TestMoves(t *testing.T) {
	r := start(t, config.Admin{})
	first := r.current
	same, err := r.Prepare(config.Admin{Listen: "unix:" + r.path})
	if err != nil {
		t.Fatal(err)
	}
	same.Abort()
	if status, _, _ := r.ask(t, "GET", "/healthz", nil); status != 200 || r.current != first {
		t.Fatalf("after an aborted change: %d, listener kept: %t", status, r.current == first)
	}
	old := r.path
	r.path = filepath.Join(t.TempDir(), "moved.sock")
	moved, err := r.Prepare(config.Admin{Listen: "unix:" + r.path})
	if err != nil {
		t.Fatal(err)
	}
	moved.Commit()
	if status, _, _ := r.ask(t, "GET", "/healthz", nil); status != 200 {
		t.Errorf("after the move: %d", status)
	}
	if c, err := net.Dial("unix", old); err == nil {
		c.Close()
		t.Error("the old address still answers")
	}
	if _, err := r.Prepare(config.Admin{Listen: "unix:/nonexistent/admin.sock"}); err == nil {
		t.Error("bound in a folder that does not exist")
	}
	none, err := r.Prepare(config.Admin{})
	if err != nil {
		t.Fatal(err)
	}
	none.Commit()
	if c, err := net.Dial("unix", r.path); err == nil {
		c.Close()
		t.Error("an admin API that was taken out still answers")
	}
}

// TestMoveIsAnswered asks for the reload that takes the address away under the question.
func TestMoveIsAnswered(t *testing.T) {
	for _, listen := range []string{"unix:" + filepath.Join(t.TempDir(), "moved.sock"), ""} {
		r := start(t, config.Admin{})
		r.Reload = func(context.Context) (string, string, error) {
			change, err := r.Prepare(config.Admin{Listen: listen})
			if err != nil {
				return "refused", err.Error(), nil
			}
			change.Commit()
			if c, err := net.Dial("unix", r.path); err == nil {
				c.Close()
				t.Error("the old address still takes clients when the change is in effect")
			}
			return "applied", "", nil
		}
		if status, _, body := r.ask(t, "POST", "/api/v1/reload", nil); status != 200 || !strings.Contains(body, "applied") {
			t.Errorf("moved to %q: %d %s", listen, status, body)
		}
	}
}

// TestMoveAtTheEnd: a reload that commits after the end leaves nothing behind.
func TestMoveAtTheEnd(t *testing.T) {
	s := &Server{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}
	late, err := s.Prepare(config.Admin{Listen: "unix:" + filepath.Join(t.TempDir(), "late.sock")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	late.Commit()
	if c, err := late.next.listener.Accept(); err == nil {
		c.Close()
		t.Error("the listener of a late change is open")
	}
}

// TestStaleSocket: a socket left by a process that is gone is replaced, one that answers is not.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bind("unix:" + path); err == nil {
		t.Error("took the socket of a process that lives")
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	taken, err := bind("unix:" + path)
	if err != nil {
		t.Fatalf("a stale socket was not replaced: %v", err)
	}
	taken.Close()
}
