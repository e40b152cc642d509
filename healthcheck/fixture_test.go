package healthcheck

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"posthouse/config"
)

// topology loads a file of these words.
func topology(t testing.TB, yaml string) *config.Topology {
	t.Helper()
	top, err := config.Parse(config.Source{Path: "t.yaml", Files: []config.File{{Name: "t.yaml", Data: []byte(yaml)}}}, config.Options{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, yaml)
	}
	return top
}

// bench is a Checker whose probes are answered by a function, or, without one, by the network.
type bench struct {
	*Checker
	answer func(job) outcome

	mu       sync.Mutex // guards the following
	probes   []seen
	health   map[config.Target]config.Health
	reports  int
	resolved map[string][]netip.Addr
	log      bytes.Buffer
}

type seen struct {
	node  string
	port  uint16
	at    time.Duration // since the bench was made
	whole bool
}

func newBench(top *config.Topology, answer func(job) outcome) *bench {
	b := &bench{answer: answer, health: make(map[config.Target]config.Health), resolved: make(map[string][]netip.Addr)}
	b.Checker = New(top, slog.New(slog.NewTextHandler(&lockedWriter{b}, nil)))
	begun := time.Now()
	if answer != nil {
		b.probe = func(_ context.Context, j job) outcome {
			b.mu.Lock()
			b.probes = append(b.probes, seen{j.node, j.port, time.Since(begun), j.whole})
			b.mu.Unlock()
			return answer(j)
		}
	}
	b.Report = func(t config.Target, h config.Health) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.health[t] = h
		b.reports++
	}
	b.Resolved = func(node string, addrs []netip.Addr) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.resolved[node] = addrs
	}
	return b
}

// start runs the bench until the returned function is called.
func (b *bench) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	return func() {
		cancel()
		<-ended
	}
}

func (b *bench) of(node, service string) config.Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.health[config.Target{Node: node, Service: service}]
}

// take empties the list of probes.
func (b *bench) take() []seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.probes
	b.probes = nil
	return p
}

func (b *bench) told() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reports
}

func (b *bench) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

type lockedWriter struct{ b *bench }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	return w.b.log.Write(p)
}

func good(job) outcome { return outcome{} }

func bad(job) outcome { return outcome{failure: failed("connect: connection refused")} }

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
