package routing

import (
	"log/slog"
	"strings"
	"testing"

	"posthouse/config"
)

// Where sessions go elsewhere, or nowhere, is said once, and so is the end of it.
func TestLeadsAreLogged(t *testing.T) {
	all := append(nodes(4, "eu", "eu", "imaps", "smtp"), nodes(1, "us", "us", "imaps", "smtp")...)
	file := topology([]*config.Service{service("imaps", config.LeastSessions, 4), service("smtp", config.LeastSessions, 4), service("none", config.LeastSessions, 4)}, []string{"eu", "us"}, all...)
	var out strings.Builder
	r := NewRouter(file, slog.New(slog.NewTextHandler(&out, nil)))
	set := func(state config.HealthState, service string, names ...string) func() {
		return func() {
			for _, name := range names {
				r.SetHealth(config.Target{Node: name, Service: service}, config.Health{State: state})
			}
		}
	}
	both := func(state config.HealthState, names ...string) func() {
		return func() { set(state, "imaps", names...)(); set(state, "smtp", names...)() }
	}
	for i, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, ""},
		{both(config.Down, "eu-1", "eu-2"), ""},
		{both(config.Down, "eu-3"), `"region fails over" event=failover region=eu to=us share="a part" services=imaps,smtp`},
		{both(config.Failing, "eu-4"), ""},
		{set(config.Down, "imaps", "eu-4"), `"region fails over" event=failover region=eu to=us share=all services=imaps`},
		{set(config.Down, "imaps", "us-1"), `"no node can be used" event=no-node services=imaps`},
		{func() { r.Mark(func(m Marks) Marks { return m.With(Mark{Subject: Subject{Node: "eu-2"}}) }) }, ""},
		{set(config.Up, "imaps", "eu-1", "eu-3"), `"nodes can be used again" event=no-node-over services=imaps`},
		{both(config.Up, "eu-1", "eu-3"), `"region takes its sessions again" event=failover-over region=eu services=smtp`},
	} {
		out.Reset()
		step.do()
		r.Flush()
		var said []string
		for line := range strings.Lines(out.String()) {
			if _, rest, ok := strings.Cut(strings.TrimSpace(line), "msg="); ok && !strings.HasPrefix(rest, `"node `) {
				said = append(said, rest)
			}
		}
		if got := strings.Join(said, "; "); got != step.want {
			t.Errorf("step %d: said %s, want %s", i, got, step.want)
		}
	}
}
