package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
	"posthouse/routing"
)

// sessions plays the side of the sessions.
type sessions struct {
	mu     sync.Mutex
	killed []string
	denied []string
	drains map[string]chan Drained // what each tells; closed: its end
}

func (s *sessions) List(f Filter, after string, limit int) ([]Session, int) {
	all := []Session{{ID: "a", Service: "imaps", Node: "us-1"}, {ID: "b", Service: "smtp", Node: "us-1"}, {ID: "c", Service: "imaps", Node: "us-2"}}
	all = slices.DeleteFunc(all, func(s Session) bool {
		return f.Node != "" && f.Node != s.Node || f.Service != "" && f.Service != s.Service
	})
	n := len(all)
	all = slices.DeleteFunc(all, func(s Session) bool { return s.ID <= after })
	return all[:min(limit, len(all))], n
}

func (s *sessions) Kill(f Filter) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed = append(s.killed, fmt.Sprint(f.Subject, " ", f.Client))
	return 3
}

func (s *sessions) Deny(all []Denial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = nil
	for _, d := range all {
		s.denied = append(s.denied, d.Prefix.String())
	}
}

// drain is the script of a subject's drain.
func (s *sessions) drain(what string) chan Drained {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drains[what] == nil {
		s.drains[what] = make(chan Drained)
	}
	return s.drains[what]
}

func (s *sessions) Drain(ctx context.Context, subject routing.Subject, _ time.Duration, tell func(Drained)) (last Drained) {
	script := s.drain(subject.String())
	for {
		select {
		case now, more := <-script:
			if !more {
				return last
			}
			last = now
			tell(now)
		case <-ctx.Done():
			return last
		}
	}
}

// operated is a server whose sessions are played, on a unix socket.
type operated struct {
	*running
	sessions *sessions
}

func operate(t *testing.T, text string) *operated {
	t.Helper()
	events := NewEvents()
	played := &sessions{drains: make(map[string]chan Drained)}
	registry := prometheus.NewRegistry()
	s := &Server{
		Router: routing.NewRouter(load(t, text), slog.New(slog.DiscardHandler)), Metrics: registry,
		Log: events.Logger(slog.New(slog.DiscardHandler)), Events: events,
		List: played.List, Kill: played.Kill, Deny: played.Deny, Drain: played.Drain,
	}
	s.Drainage = NewMetrics(registry, s)
	return &operated{serveOn(t, s, config.Admin{}), played}
}

// call makes a request and returns its status and its answer.
func (o *operated) call(t *testing.T, call string) (int, map[string]any) {
	t.Helper()
	method, target, _ := strings.Cut(call, " ")
	status, _, body := o.ask(t, method, target, nil)
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %q: %v", call, body, err)
	}
	return status, got
}

func TestMistakes(t *testing.T) {
	o := operate(t, topology)
	for _, row := range []struct {
		call   string
		status int
		detail string
	}{
		{"POST /api/v1/nodes/us-9/drain", 404, `no node "us-9"`},
		{"POST /api/v1/nodes/us-2/drain?service=smtp", 404, `does not run "smtp"`},
		{"POST /api/v1/regions/xx/drain", 404, `no region "xx"`},
		{"POST /api/v1/services/xx/drain", 404, `no service "xx"`},
		{"POST /api/v1/regions/us/drain?service=smtp", 400, "service= goes with a node"},
		{"POST /api/v1/nodes/us-1/drain?within=soon", 400, "want a time"},
		{"POST /api/v1/nodes/us-1/drain?within=-1s", 400, "want a time"},
		{"POST /api/v1/nodes/us-1/drain?within=25h", 400, "at most 24h"},
		{"GET /api/v1/nodes/us-1/drain", 405, "GET is not possible"},
		{"POST /api/v1/nodes/us-9/resume", 404, `no node "us-9"`},
		{"POST /api/v1/nodes/us-1/weight", 400, "weight= is missing"},
		{"POST /api/v1/nodes/us-1/weight?weight=-1", 400, "from 0 to"},
		{"POST /api/v1/nodes/us-1/weight?weight=x", 400, "from 0 to"},
		{"POST /api/v1/nodes/us-9/weight?weight=1", 404, "no node"},
		{"DELETE /api/v1/sessions", 400, "say which sessions"},
		{"DELETE /api/v1/sessions?client=x", 400, "want an address"},
		{"GET /api/v1/sessions?limit=0", 400, "from 1 to"},
		{"GET /api/v1/sessions?limit=100000", 400, "from 1 to"},
		{"POST /api/v1/deny", 400, "prefix= is missing"},
		{"POST /api/v1/deny?prefix=192.0.2.0/33", 400, "want an address"},
		{"POST /api/v1/deny?prefix=0.0.0.0/0", 400, "too wide"},
		{"POST /api/v1/deny?prefix=2001::/8", 400, "too wide"},
		{"POST /api/v1/deny?prefix=192.0.2.1&for=1y", 400, "want a time"},
		{"POST /api/v1/deny?prefix=192.0.2.1&kill=perhaps", 400, "true or false"},
		{"DELETE /api/v1/deny?prefix=192.0.2.0/24", 404, "is not denied"},
		{"POST /api/v1/rebalance", 501, "not built yet"},
		{"POST /api/v1/reload", 501, "does not follow a file"},
		{"POST /api/v1/drain", 501, "cannot be ended"},
		{"GET /api/v1/explain", 501, "cannot explain"},
		{"GET /debug/pprof/heap", 403, "token_file"},
		{"PUT /api/v1/deny", 405, "PUT is not possible"},
	} {
		status, got := o.call(t, row.call)
		if detail := fmt.Sprint(got["detail"]); status != row.status || !strings.Contains(detail, row.detail) {
			t.Errorf("%s = %d %s, want %d %s", row.call, status, detail, row.status, row.detail)
		}
	}
	if len(o.Router.Table().Marks()) > 0 || len(o.sessions.killed) > 0 || o.kinds() != "" {
		t.Error("a refused request has changed something")
	}
}

// state of a subject in the topology in effect.
func (o *operated) state(s routing.Subject) string {
	return stateIn(o.Router.Table().Topology(), s).String()
}

func TestDrainAndResume(t *testing.T) {
	for _, row := range []struct {
		path    string
		subject routing.Subject
	}{
		{"nodes/us-1", routing.Subject{Node: "us-1"}},
		{"nodes/us-1?service=imaps", routing.Subject{Node: "us-1", Service: "imaps"}},
		{"regions/us", routing.Subject{Region: "us"}},
		{"services/imaps", routing.Subject{Service: "imaps"}},
	} {
		o := operate(t, topology)
		path, query, _ := strings.Cut(row.path, "?")
		status, got := o.call(t, "POST /api/v1/"+path+"/drain?within=1m&reason=upgrade&"+query)
		what := row.subject.String()
		drain, _ := got["drain"].(map[string]any)
		if status != 202 || drain["state"] != "running" || drain["what"] != what || drain["reason"] != "upgrade" || drain["within"] != "1m0s" {
			t.Fatalf("%s: %d %v", row.path, status, got)
		}
		if o.state(row.subject) != "drain" {
			t.Errorf("%s: is %s after the drain", what, o.state(row.subject))
		}
		o.sessions.drain(what) <- Drained{Sessions: 4, Open: 3, Left: 1}
		o.sessions.drain(what) <- Drained{Sessions: 4, Open: 0, Left: 1, Quiet: 2, Cut: 1}
		close(o.sessions.drain(what))
		eventually(t, "the end of the drain", func() bool { return strings.HasSuffix(o.kinds(), "drain-ended") })
		_, got = o.call(t, "GET /api/v1/drains")
		ran := fmt.Sprint(got["drains"])
		for _, want := range []string{"state:ended", "cut:1", "closed_quiet:2", "left_by_themselves:1", "sessions:4", "open:0"} {
			if !strings.Contains(ran, want) {
				t.Errorf("%s: the drain %s has no %s", what, ran, want)
			}
		}
		if _, got = o.call(t, "GET /api/v1/marks"); !strings.Contains(fmt.Sprint(got), "kind:drain") {
			t.Errorf("%s: marks are %v", what, got)
		}
		if _, got = o.call(t, "POST /api/v1/"+path+"/resume?"+query); got["state"] != "active" || got["changed"] != true {
			t.Errorf("%s: resume = %v", what, got)
		}
		if o.state(row.subject) != "active" {
			t.Errorf("%s: is %s after the resume", what, o.state(row.subject))
		}
		if kinds := o.kinds(); kinds != "drain-began drain-progress drain-ended resume" {
			t.Errorf("%s: events %s", what, kinds)
		}
	}
}

// A resume stops a drain; what the file says stays.
func TestResumeStopsADrain(t *testing.T) {
	o := operate(t, topology)
	o.call(t, "POST /api/v1/nodes/us-2/drain")
	o.sessions.drain("node us-2") <- Drained{Sessions: 8, Open: 8}
	_, got := o.call(t, "POST /api/v1/nodes/us-2/resume")
	if got["state"] != "drain" || got["file_state"] != "drain" || got["changed"] != true {
		t.Errorf("resume = %v, want the file's state", got)
	}
	if rows := o.drains.rows(); rows[0].State != "stopped" || rows[0].Open != 8 {
		t.Errorf("the drain is %+v", rows[0])
	}
	if kinds := o.kinds(); kinds != "drain-began drain-stopped resume" {
		t.Errorf("events %s", kinds)
	}
}

func TestWeight(t *testing.T) {
	o := operate(t, topology)
	weight := func() int { return o.Router.Table().Topology().Node("us-1").WeightFor("imaps") }
	for _, row := range []struct {
		call string
		want int
	}{
		{"POST /api/v1/nodes/us-1/weight?weight=5", 5},
		{"POST /api/v1/nodes/us-1/weight?weight=7&service=imaps", 7},
		{"POST /api/v1/nodes/us-1/resume", 7}, // clears drains
		{"DELETE /api/v1/nodes/us-1/weight?service=imaps", 5},
		{"DELETE /api/v1/nodes/us-1/weight", 1},
	} {
		if status, got := o.call(t, row.call); status != 200 || weight() != row.want {
			t.Errorf("%s = %d %v; the weight is %d, want %d", row.call, status, got, weight(), row.want)
		}
	}
}

func TestKillAndDeny(t *testing.T) {
	o := operate(t, topology)
	if _, got := o.call(t, "DELETE /api/v1/sessions?node=us-1&client=192.0.2.7&reason=spam"); got["killed"] != 3.0 {
		t.Errorf("kill = %v", got)
	}
	if want := []string{"node us-1 192.0.2.7/32"}; !slices.Equal(o.sessions.killed, want) {
		t.Errorf("killed %q, want %q", o.sessions.killed, want)
	}
	if _, got := o.call(t, "POST /api/v1/deny?prefix=192.0.2.77/24&for=2h&kill=true"); got["killed"] != 3.0 {
		t.Errorf("deny = %v", got)
	}
	o.call(t, "POST /api/v1/deny?prefix=2001:db8::1")
	if want := []string{"192.0.2.0/24", "2001:db8::1/128"}; !slices.Equal(o.sessions.denied, want) {
		t.Errorf("denied %q, want %q", o.sessions.denied, want)
	}
	if _, got := o.call(t, "GET /api/v1/deny"); len(got["denials"].([]any)) != 2 {
		t.Errorf("denials: %v", got)
	}
	if status, _ := o.call(t, "DELETE /api/v1/deny?prefix=192.0.2.0/24"); status != 200 || len(o.sessions.denied) != 1 {
		t.Errorf("lifting = %d, still denied %q", status, o.sessions.denied)
	}
	if kinds := o.kinds(); kinds != "kill deny kill deny undeny" {
		t.Errorf("events %s", kinds)
	}
	all, _ := o.Events.After(0)
	if by := fmt.Sprint(all[0].Fields["by"]); by != fmt.Sprintf("uid %d", os.Getuid()) || all[0].Fields["reason"] != "spam" {
		t.Errorf("the kill was by %s: %v", by, all[0].Fields)
	}
}

func TestDenialsEnd(t *testing.T) {
	var d denials
	d.set(netip.MustParsePrefix("192.0.2.0/24"), &Denial{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Until: time.Now().Add(-time.Second)})
	d.set(netip.MustParsePrefix("192.0.3.0/24"), &Denial{Prefix: netip.MustParsePrefix("192.0.3.0/24"), Until: time.Now().Add(time.Hour)})
	if got := d.current(); len(got) != 1 || got[0].Prefix.String() != "192.0.3.0/24" {
		t.Errorf("current = %v", got)
	}
}

func TestSessionPages(t *testing.T) {
	o := operate(t, topology)
	_, first := o.call(t, "GET /api/v1/sessions?limit=2")
	if first["total"] != 3.0 || first["next"] != "b" || len(first["sessions"].([]any)) != 2 {
		t.Errorf("first page %v", first)
	}
	_, second := o.call(t, "GET /api/v1/sessions?limit=2&after=b")
	if second["next"] != nil || len(second["sessions"].([]any)) != 1 {
		t.Errorf("second page %v", second)
	}
	if _, got := o.call(t, "GET /api/v1/sessions?service=imaps"); got["total"] != 2.0 {
		t.Errorf("filtered %v", got)
	}
}

func TestMetrics(t *testing.T) {
	o := operate(t, topology)
	expiry := time.Unix(2e9, 0)
	for i, node := range []string{"us-1", "us-2"} {
		o.Router.SetHealth(config.Target{Node: node, Service: "imaps"}, config.Health{State: config.Up, CertExpiry: expiry.Add(time.Duration(i) * time.Hour)})
	}
	o.Router.Flush()
	o.call(t, "POST /api/v1/nodes/us-1/drain?service=smtp")
	o.call(t, "POST /api/v1/nodes/us-1/weight?weight=2")
	o.call(t, "POST /api/v1/deny?prefix=192.0.2.1")
	script := o.sessions.drain("smtp of node us-1")
	script <- Drained{Sessions: 5, Open: 2, Left: 1, Quiet: 2}
	script <- Drained{Sessions: 5, Open: 1, Left: 1, Quiet: 3}
	eventually(t, "the drain to be counted", func() bool {
		_, _, text := o.ask(t, "GET", "/metrics", nil)
		return strings.Contains(text, `posthouse_drained_sessions_total{how="quiet"} 3`)
	})
	_, _, text := o.ask(t, "GET", "/metrics", nil)
	for _, want := range []string{
		`posthouse_drains 1`, `posthouse_marks{kind="drain"} 1`, `posthouse_marks{kind="weight"} 1`, `posthouse_denials 1`,
		`posthouse_node_usable_ratio{node="us-1",region="us"} 0.5`, `posthouse_node_sessions{node="us-1",region="us"} 0`,
		`posthouse_region_state{region="ap",state="drain"} 1`, `posthouse_region_state{region="ap",state="active"} 0`,
		`posthouse_service_info{protocol="imap",service="imaps",tls="passthrough"} 1`, `posthouse_drained_sessions_total{how="left"} 1`,
		`posthouse_node_certificate_expiry_timestamp_seconds{service="imaps"} 2e+09`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

func TestServicesAndRegions(t *testing.T) {
	o := operate(t, topology)
	o.call(t, "POST /api/v1/services/smtp/drain")
	_, got := o.call(t, "GET /api/v1/services")
	var rows []string
	for _, row := range got["services"].([]any) {
		s := row.(map[string]any)
		line := fmt.Sprint(s["name"], " ", s["state"], " usable=", s["usable"], " ", s["up"], "/", s["nodes"])
		for _, share := range s["regions"].([]any) {
			r := share.(map[string]any)
			line += fmt.Sprint(" ", r["region"], "=", r["gets"])
		}
		rows = append(rows, line)
	}
	want := "smtp drain usable=false 0/2 us=0 ap=0; imaps active usable=true 1/2 us=1; pop3s active usable=false 0/0 us=0"
	if s := strings.Join(rows, "; "); s != want {
		t.Errorf("services\n got %s\nwant %s", s, want)
	}
	_, got = o.call(t, "GET /api/v1/regions")
	rows = nil
	for _, row := range got["regions"].([]any) {
		r := row.(map[string]any)
		rows = append(rows, fmt.Sprint(r["name"], " ", r["state"], " ", r["reach"], " own=", r["own"], " ", r["nodes"]))
	}
	if s := strings.Join(rows, "; "); s != "eu active none own=false 1; us active nodes own=true 2; ap drain nodes own=false 1" {
		t.Errorf("regions = %s", s)
	}
}

func TestProcess(t *testing.T) {
	o := operate(t, topology)
	ended := make(chan time.Duration, 1)
	o.Stop = func(within time.Duration) { ended <- within }
	o.Explain = func(q url.Values) (any, error) {
		if q.Get("client") == "" {
			return nil, fmt.Errorf("client= is missing")
		}
		return map[string]string{"client": q.Get("client")}, nil
	}
	result, why := "applied", ""
	o.Reload = func(context.Context) (string, string, error) { return result, why, nil }
	if status, got := o.call(t, "POST /api/v1/drain?within=90s"); status != 202 || <-ended != 90*time.Second {
		t.Errorf("drain = %d %v", status, got)
	}
	if status, got := o.call(t, "POST /api/v1/reload"); status != 200 || got["result"] != "applied" {
		t.Errorf("reload = %d %v", status, got)
	}
	result, why = "refused", `t.yaml:1:1: "cluster" is missing`
	if status, got := o.call(t, "POST /api/v1/reload"); status != 409 || !strings.Contains(fmt.Sprint(got["detail"]), "is missing") {
		t.Errorf("reload = %d %v", status, got)
	}
	if status, got := o.call(t, "GET /api/v1/explain?client=192.0.2.1"); status != 200 || got["client"] != "192.0.2.1" {
		t.Errorf("explain = %d %v", status, got)
	}
	if status, _ := o.call(t, "GET /api/v1/explain"); status != 400 {
		t.Errorf("explain of nobody = %d", status)
	}
}

// Who asks the process to end hears that it will, however quickly it does.
func TestTheEndIsAnswered(t *testing.T) {
	s := &Server{Router: routing.NewRouter(load(t, topology), slog.New(slog.DiscardHandler)), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}
	r := &running{s, s.Router, filepath.Join(t.TempDir(), "admin.sock")}
	change, err := s.Prepare(config.Admin{Listen: "unix:" + r.path})
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s.Stop = func(time.Duration) {
		cancel()
		eventually(t, "the listener is closed", func() bool {
			c, err := net.Dial("unix", r.path)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
	}
	go func() { ended <- s.Run(ctx) }()
	if status, _, body := r.ask(t, "POST", "/api/v1/drain?within=1s", nil); status != 202 {
		t.Errorf("drain = %d %s", status, body)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestReasonIsALine(t *testing.T) {
	o := operate(t, topology)
	o.call(t, "DELETE /api/v1/sessions?node=us-1&reason=a%0ab%1b"+strings.Repeat("x", 500))
	all, _ := o.Events.After(0)
	if reason := fmt.Sprint(all[0].Fields["reason"]); strings.ContainsAny(reason, "\n\x1b") || len(reason) > 200 {
		t.Errorf("reason %q", reason)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
