package healthcheck

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

func TestUpdateKeepsWhatIsUnchanged(t *testing.T) {
	const before = `
cluster: mail.example.org
nodes:
  - {name: a, address: 10.0.0.1, services: [smtp]}
  - {name: b, address: 10.0.0.2, services: [smtp]}
  - {name: c, address: 10.0.0.3, services: [smtp]}
`
	scene(t, before, bad, func(t *testing.T, b *bench) {
		after(13 * time.Second)
		checkState(t, b, config.Down, 0)
		probes := b.take()
		last := probes[slices.IndexFunc(probes, func(p seen) bool { return p.node == "a" && p.at > 9*time.Second })].at
		reported := b.told()
		b.Update(topology(t, strings.NewReplacer("name: b", "name: d", "10.0.0.3", "10.0.0.33").Replace(before)))
		after(4900 * time.Millisecond)
		checkState(t, b, config.Down, 0)
		var nodes []string
		for _, p := range b.take() {
			nodes = append(nodes, p.node)
			if p.node == "a" && (p.at-last)%(5*time.Second) != 0 {
				t.Errorf("an unchanged node was probed %v after its last round", p.at-last)
			}
		}
		slices.Sort(nodes)
		if got := strings.Join(slices.Compact(nodes), " "); got != "a c d" {
			t.Errorf("probed after the reload: %s, want a c d", got)
		}
		if h := b.of("c", "smtp"); h.State == config.Down {
			t.Error("a node with a new address kept its state")
		}
		if b.told() == reported {
			t.Error("nothing was reported of the new ones")
		}
	})
}

func TestRemovedNodeIsNotReported(t *testing.T) {
	slow := func(job) outcome { time.Sleep(2 * time.Second); return outcome{} }
	scene(t, oneNode, slow, func(t *testing.T, b *bench) {
		after(1500 * time.Millisecond)
		b.Update(topology(t, strings.Replace(oneNode, "name: a", "name: b", 1)))
		after(4 * time.Second)
		if h := b.of("a", "smtp"); h.State != config.Unknown {
			t.Errorf("a node that is gone was reported %v", h.State)
		}
		if h := b.of("b", "smtp"); h.State != config.Up {
			t.Errorf("its successor is %v, want up", h.State)
		}
	})
}

// What an earlier run knew counts until probes know better, by the rules of rise and fall.
func TestKnownHealth(t *testing.T) {
	const yaml = `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1, services: [smtp]}, {name: b, address: 10.0.0.2, services: [smtp]}]
`
	for _, row := range []struct {
		name     string
		answer   func(job) outcome
		was      config.HealthState
		at1, at9 config.HealthState
	}{
		{"down and good", good, config.Down, config.Recovering, config.Up},
		{"down and bad", bad, config.Down, config.Down, config.Down},
		{"up and bad", bad, config.Up, config.Failing, config.Failing},
		{"up and good", good, config.Up, config.Up, config.Up},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(topology(t, yaml), row.answer)
			since := time.Now().Add(-time.Hour)
			b.Known = map[config.Target]config.Health{{Node: "a", Service: "smtp"}: {State: row.was, Since: since, Greeting: time.Second}}
			defer b.start()()
			synctest.Wait()
			if h := b.of("a", "smtp"); h.State != row.was || !h.Since.Equal(since) || h.Greeting != time.Second {
				t.Errorf("%s: begins as %+v", row.name, h)
			}
			if h := b.of("b", "smtp"); h.State != config.Unknown {
				t.Errorf("%s: the other one begins as %v", row.name, h.State)
			}
			after(time.Second)
			if h := b.of("a", "smtp"); h.State != row.at1 {
				t.Errorf("%s: %v after a second, want %v", row.name, h.State, row.at1)
			}
			after(8 * time.Second)
			if h := b.of("a", "smtp"); h.State != row.at9 {
				t.Errorf("%s: %v after nine seconds, want %v", row.name, h.State, row.at9)
			}
		})
	}
}
