package geodns

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

// TestLastHealth runs a responder twice: what was down is down at first, until probes have decided.
func TestLastHealth(t *testing.T) {
	var file []byte
	writes := 0
	begin := func(t *testing.T) (*responder, func()) {
		r := newResponder(t, testTopology)
		r.topology.StateDir = "state"
		r.Kept = func(string) ([]byte, error) { return file, nil }
		r.Keep = func(dir string, data []byte) error { file, writes = data, writes+1; return nil }
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		return r, func() { cancel(); running.Wait() }
	}
	synctest.Test(t, func(t *testing.T) {
		r, stop := begin(t)
		r.set("eu-", "imaps", config.Down)
		r.set("address/us/198", "smtp", config.Recovering)
		r.view()
		time.Sleep(time.Minute)
		synctest.Wait()
		if writes != 1 {
			t.Errorf("one change was written %d times", writes)
		}
		r.set("us-", "imaps", config.Down)
		r.view() // and the end comes before the next write
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		r, stop := begin(t)
		defer stop()
		if got := r.told("imap"); got != "-eu -us -ap ch" {
			t.Errorf("after a start imap is %q, want eu and us down as they were", got)
		}
		if strings.Contains(r.log.String(), "more likely") {
			t.Errorf("what was so before is no fall:\n%s", &r.log)
		}
		r.set("eu-1", "imaps", config.Up)
		if got := r.told("imap"); got != "eu -us -ap ch" {
			t.Errorf("after a good probe imap is %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := `{"Node":"eu-2","Service":"imaps"}`; !strings.Contains(string(file), want) || strings.Contains(string(file), "eu-1") {
			t.Errorf("kept: %s, want %s and no eu-1", file, want)
		}
	})
	file = []byte("[")
	synctest.Test(t, func(t *testing.T) {
		r, stop := begin(t)
		defer stop()
		if got := r.told("imap"); got != "eu us -ap ch" || !strings.Contains(r.log.String(), "the last health is not known") {
			t.Errorf("with a broken file imap is %q, log:\n%s", got, &r.log)
		}
	})
}

// TestMemoryEndsWithTheFirstProbe has a machine that was down in the run before this one, came up, and gave its name to another one.
func TestMemoryEndsWithTheFirstProbe(t *testing.T) {
	r := newResponder(t, testTopology)
	r.topology.StateDir = "state"
	r.Kept = func(string) ([]byte, error) {
		return []byte(`{"down": [{"Node":"us-1","Service":"imaps"},{"Node":"us-2","Service":"imaps"},{"Node":"us-3","Service":"imaps"},{"Node":"us-4","Service":"imaps"}]}`), nil
	}
	for _, step := range []struct {
		state config.HealthState
		want  string
	}{{config.Unknown, "eu -us -ap ch"}, {config.Up, "eu us -ap ch"}, {config.Unknown, "eu us -ap ch"}} {
		r.set("us-", "imaps", step.state)
		if got := r.told("imap"); got != step.want {
			t.Errorf("with nodes that are %v imap is %q, want %q", step.state, got, step.want)
		}
	}
}

// TestMemoryIsKeptAtLast has a disk that is full for a while, and then another state_dir.
func TestMemoryIsKeptAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := make(map[string]string)
		var full atomic.Bool
		full.Store(true)
		r := newResponder(t, testTopology)
		r.topology.StateDir = "one"
		r.Kept = func(string) ([]byte, error) { return nil, nil }
		r.Keep = func(dir string, data []byte) error {
			if full.Load() {
				return errors.New("no space left")
			}
			files[dir] = string(data)
			return nil
		}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		defer running.Wait()
		defer cancel()
		later := func(dir string) string {
			time.Sleep(time.Minute)
			synctest.Wait()
			return files[dir]
		}
		r.set("us-1", "imaps", config.Down)
		r.view()
		if got, said := later("one"), strings.Count(r.log.String(), "not remembered"); got != "" || said != 1 {
			t.Errorf("on a full disk: %q is kept, and that nothing is was said %d times, want once", got, said)
		}
		full.Store(false)
		if got := later("one"); !strings.Contains(got, "us-1") {
			t.Errorf("kept when there is room again: %q, want us-1", got)
		}
		moved := *r.topology
		moved.StateDir = "two"
		r.topology = &moved
		r.view()
		if got := later("two"); !strings.Contains(got, "us-1") {
			t.Errorf("kept in another state_dir: %q, want us-1", got)
		}
	})
}
