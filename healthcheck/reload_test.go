package healthcheck

import (
	"slices"
	"strings"
	"testing"
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
