package healthcheck

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

const oneNode = `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1, services: [smtp]}]
`

var smtpOfA = config.Target{Node: "a", Service: "smtp"}

// scene runs a bench in a bubble of fake time.
func scene(t *testing.T, yaml string, answer func(job) outcome, play func(*testing.T, *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(topology(t, yaml), answer)
		defer b.start()()
		synctest.Wait()
		play(t, b)
	})
}

// after lets fake time pass and everything settle.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRoundsAreSpread(t *testing.T) {
	const yaml = `
cluster: mail.example.org
nodes: [{name: "n-[001-500]", address: 10.0.0.1+, services: [smtp]}]
`
	scene(t, yaml, good, func(t *testing.T, b *bench) {
		after(time.Second)
		first := b.take()
		if n := len(first); n != 500 {
			t.Fatalf("%d probes in the first second, want 500", n)
		}
		checkSpread(t, first, 0, time.Second)
		after(8 * time.Second) // the second rounds: half an interval to one and a half after the first
		b.take()
		for i := range 3 {
			after(5 * time.Second)
			round := b.take()
			if n := len(round); n != 500 {
				t.Errorf("%d probes in an interval, want 500", n)
			}
			checkSpread(t, round, time.Duration(9+5*i)*time.Second, 5*time.Second)
		}
	})
}

func checkSpread(t *testing.T, probes []seen, from, over time.Duration) {
	t.Helper()
	var cells [5]int
	for _, p := range probes {
		cells[min(4, int((p.at-from)*5/over))]++
	}
	for i, n := range cells {
		if n < len(probes)/10 || n > len(probes)*3/10 {
			t.Errorf("fifth %d of %v has %d of %d probes", i, over, n, len(probes))
		}
	}
}

func TestIntervalIsKept(t *testing.T) {
	scene(t, oneNode, good, func(t *testing.T, b *bench) {
		after(62 * time.Second)
		probes := b.take()
		if len(probes) < 12 || len(probes) > 14 {
			t.Errorf("%d probes in a minute, want one each 5 s", len(probes))
		}
		for i := 2; i < len(probes); i++ {
			if gap := probes[i].at - probes[i-1].at; gap != 5*time.Second {
				t.Errorf("%v between two rounds, want 5 s", gap)
			}
		}
	})
}

func TestRemoteInterval(t *testing.T) {
	const yaml = `
cluster: mail.example.org
region: eu
regions: {eu: {}, us: {}}
nodes:
  - {name: near, address: 10.0.0.1, region: eu, services: [smtp]}
  - {name: far, address: 10.0.0.2, region: us, services: [smtp]}
`
	scene(t, yaml, good, func(t *testing.T, b *bench) {
		after(90 * time.Second)
		count := make(map[string]int)
		for _, p := range b.take() {
			count[p.node]++
		}
		if count["near"] < 17 || count["near"] > 20 || count["far"] < 6 || count["far"] > 8 {
			t.Errorf("probes in 90 s: %v, want about 18 near and 6 far", count)
		}
	})
}

func TestUpAtOnceDownAfterFallBackAfterRise(t *testing.T) {
	var broken atomic.Bool
	answer := func(j job) outcome {
		if broken.Load() {
			return bad(j)
		}
		return outcome{}
	}
	scene(t, oneNode, answer, func(t *testing.T, b *bench) {
		after(time.Second)
		checkState(t, b, config.Up, 0)
		told := b.told()
		after(30 * time.Second)
		if b.told() != told {
			t.Errorf("%d reports of probes that changed nothing", b.told()-told)
		}
		broken.Store(true)
		for _, want := range []struct {
			state config.HealthState
			count int
		}{{config.Failing, 1}, {config.Failing, 2}, {config.Down, 0}, {config.Down, 0}} {
			after(5 * time.Second)
			checkState(t, b, want.state, want.count)
		}
		if h := b.of("a", "smtp"); h.Reason != "connect: connection refused" {
			t.Errorf("reason %q", h.Reason)
		}
		broken.Store(false)
		after(5 * time.Second)
		checkState(t, b, config.Recovering, 1)
		after(5 * time.Second)
		checkState(t, b, config.Up, 0)
		if h := b.of("a", "smtp"); h.Reason != "" || h.Transcript != "" || h.Recovered.IsZero() {
			t.Errorf("health after recovery: %+v", h)
		}
		if log := b.said(); log != "" {
			t.Errorf("the checker said %q; node up and down are for routing to say", log)
		}
	})
}

func checkState(t *testing.T, b *bench, state config.HealthState, count int) {
	t.Helper()
	if h := b.of("a", "smtp"); h.State != state || h.Count != count {
		t.Errorf("health %v %d, want %v %d", h.State, h.Count, state, count)
	}
}

func TestSharedProbe(t *testing.T) {
	const yaml = `
cluster: mail.example.org
nodes: [{name: a, address: 10.0.0.1, services: [jmap, webdav, http]}]
`
	scene(t, yaml, bad, func(t *testing.T, b *bench) {
		after(time.Second)
		if n := len(b.take()); n != 1 {
			t.Errorf("%d probes for three services on one port, want 1", n)
		}
		after(13 * time.Second)
		for _, s := range []string{"jmap", "webdav", "http"} {
			if h := b.of("a", s); h.State != config.Down {
				t.Errorf("%s is %v, want down", s, h.State)
			}
		}
	})
}

func TestManyAtOnceAreBounded(t *testing.T) {
	const yaml = `
cluster: mail.example.org
nodes: [{name: "n-[001-100]", address: 10.0.0.1+, services: [smtp]}]
`
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		b := newBench(topology(t, yaml), func(job) outcome {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(3 * time.Second)
			return outcome{failure: failed("no greeting")}
		})
		b.Parallel = 10
		defer b.start()()
		after(time.Minute)
		if most.Load() != 10 {
			t.Errorf("%d probes at once, want 10", most.Load())
		}
	})
}
