package admin

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"log/slog"

	"posthouse/config"
	"posthouse/routing"
)

// A node is in one word what its services are together; what the file or an operator says of it comes first.
func TestBriefNodes(t *testing.T) {
	const text = `
cluster: mail.example.org
nodes:
  - {name: a, address: 127.0.1.1, services: [imaps, smtp]}
  - {name: b, address: 127.0.1.2, services: [imaps, smtp], state: disabled}
`
	type health = map[string]config.Health
	expiry := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := expiry.Add(-40*time.Hour - 10*24*time.Hour)
	for _, test := range []struct {
		imaps, smtp config.Health
		marks       routing.Marks
		want        string
	}{
		{config.Health{}, config.Health{}, nil, "unknown 0.0 none "},
		{config.Health{State: config.Up, Greeting: 4 * time.Millisecond, CertExpiry: expiry}, config.Health{State: config.Up, Greeting: 2 * time.Millisecond}, nil, "up 3.0 11 "},
		{config.Health{State: config.Up}, config.Health{}, nil, "up 0.0 none "},
		{config.Health{State: config.Up}, config.Health{State: config.Down, Reason: "refused"}, nil, "failing 0.0 none smtp: refused"},
		{config.Health{State: config.Failing, Reason: "late"}, config.Health{State: config.Up}, nil, "failing 0.0 none imaps: late"},
		{config.Health{State: config.Down}, config.Health{State: config.Down}, nil, "down 0.0 none "},
		{config.Health{State: config.Down}, config.Health{State: config.Recovering}, nil, "recovering 0.0 none "},
		{config.Health{State: config.Up}, config.Health{State: config.Up}, routing.Marks{{Subject: routing.Subject{Node: "a"}}}, "draining 0.0 none "},
		{config.Health{State: config.Up}, config.Health{State: config.Up}, routing.Marks{{Subject: routing.Subject{Node: "a", Service: "smtp"}}}, "up 0.0 none "},
	} {
		router := routing.NewRouter(load(t, text), slog.New(slog.DiscardHandler))
		router.Mark(func(routing.Marks) routing.Marks { return test.marks })
		for service, h := range (health{"imaps": test.imaps, "smtp": test.smtp}) {
			router.SetHealth(config.Target{Node: "a", Service: service}, h)
		}
		router.Flush()
		nodes := briefNodes(router.Table(), now)
		a, days := nodes[0], "none"
		if a.Certificate != nil {
			days = fmt.Sprint(*a.Certificate)
		}
		if got := fmt.Sprintf("%s %.1f %s %s", a.State, a.GreetingMS, days, a.Bad); got != test.want {
			t.Errorf("imaps %v, smtp %v, marks %v: %q, want %q", test.imaps.State, test.smtp.State, test.marks, got, test.want)
		}
		if nodes[1].State != "off" || a.Marked != (len(test.marks) == 1 && test.marks[0].Service == "") {
			t.Errorf("b is %s, a marked %t", nodes[1].State, a.Marked)
		}
	}
}

func TestOverviewCounts(t *testing.T) {
	r := start(t, config.Admin{})
	b := r.router.Table().Backends()[0]
	for range 3 {
		b.Begin()
	}
	b.End()
	_, _, body := r.ask(t, "GET", "/api/v1/overview", nil)
	for _, want := range []string{`"cluster":"mail.example.org"`, `"region":"us"`, `"sessions":2`, `"begun":3`, `"draining":false`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

// BenchmarkOverview is what an open status page costs every other second.
func BenchmarkOverview(b *testing.B) {
	t := &config.Topology{Cluster: "mail.example.org", Region: "eu", Regions: []*config.Region{{Name: "eu"}}}
	var names []string
	for i := range 8 {
		s := &config.Service{Name: fmt.Sprint("service", i), Protocol: config.IMAP, Port: uint16(1000 + i), Live: true}
		t.Services, names = append(t.Services, s), append(names, s.Name)
	}
	for i := range 1024 {
		t.Nodes = append(t.Nodes, &config.Node{Name: fmt.Sprintf("node-%04d", i), Region: "eu", Services: names, Weight: 1,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})}})
	}
	s := &Server{Router: routing.NewRouter(t, slog.New(slog.DiscardHandler))}
	request := httptest.NewRequest("GET", "/api/v1/overview", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.overview(w, request)
		b.ReportMetric(float64(w.Body.Len()), "bytes")
	}
}

func TestRegionsTellWhatDNSDoes(t *testing.T) {
	s := &Server{Router: routing.NewRouter(load(t, topology), slog.New(slog.DiscardHandler))}
	s.Sends = func(tell func(from, name, to string)) {
		tell("eu", "imap.mail.example.org", "us")
		tell("us", "imap.mail.example.org", "us")
		tell("gone", "imap.mail.example.org", "us") // of a table that is older or newer
	}
	var told []string
	for _, r := range s.regionRows(s.Router.Table()) {
		for _, d := range r.DNS {
			told = append(told, r.Name+": "+d.Name+" -> "+d.To)
		}
	}
	if got, want := strings.Join(told, "; "), "eu: imap.mail.example.org -> us; us: imap.mail.example.org -> us"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}
