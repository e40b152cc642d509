package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

func TestHostNames(t *testing.T) {
	const yaml = `
cluster: mail.example.org
nodes: [{name: a, address: node.example.org, services: [smtp, sieve]}]
`
	synctest.Test(t, func(t *testing.T) {
		answers := []any{
			errors.New("no such host"),
			[]netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")},
			[]netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")},
			errors.New("server misbehaving"),
			[]netip.Addr{netip.MustParseAddr("10.0.0.2")},
		}
		b := newBench(topology(t, yaml), good)
		b.Lookup = func(_ context.Context, network, host string) ([]netip.Addr, error) {
			a := answers[0]
			answers = answers[1:]
			if err, failed := a.(error); failed {
				return nil, err
			}
			return a.([]netip.Addr), nil
		}
		defer b.start()()
		synctest.Wait()
		if h := b.of("a", "smtp"); h.State != config.Down || h.Reason != "cannot resolve node.example.org: no such host" {
			t.Errorf("unresolved: %v, %q", h.State, h.Reason)
		}
		if p := b.take(); len(p) != 0 {
			t.Errorf("%d probes of a node without address", len(p))
		}
		for _, want := range []string{"[10.0.0.1 2001:db8::1]", "[10.0.0.1 2001:db8::1]", "[10.0.0.1 2001:db8::1]", "[10.0.0.2]"} {
			after(resolveEvery + time.Second)
			if got := fmt.Sprint(b.resolved["a"]); got != want {
				t.Errorf("resolved to %s, want %s", got, want)
			}
			if h := b.of("a", "sieve"); h.State != config.Up || h.Recovered.IsZero() {
				t.Errorf("resolved: %v, recovered %v", h.State, h.Recovered)
			}
		}
		answers = append(answers, errors.New("no such host"))
		b.Update(topology(t, strings.Replace(yaml, "node.example", "other.example", 1)))
		synctest.Wait()
		if h := b.of("a", "smtp"); h.State != config.Down {
			t.Errorf("a name that is new and cannot be resolved: %v", h.State)
		}
	})
}

func TestFailedProbeAfterResolvingStaysDown(t *testing.T) {
	const yaml = `
cluster: mail.example.org
nodes: [{name: a, address: node.example.org, services: [smtp]}]
`
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		b := newBench(topology(t, yaml), bad)
		b.Lookup = func(context.Context, string, string) ([]netip.Addr, error) {
			if calls.Add(1) == 1 {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		}
		defer b.start()()
		after(resolveEvery + 2*time.Second)
		checkState(t, b, config.Down, 0)
		if h := b.of("a", "smtp"); h.Reason != "connect: connection refused" {
			t.Errorf("reason %q", h.Reason)
		}
	})
}
