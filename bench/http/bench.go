//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"posthouse/bench/measure"
	"posthouse/bench/raw"
)

// bench is one run of this program.
type bench struct {
	binary     string // posthouse
	dir        string // of configurations and logs, for the time of the run
	serverCore int
	loadCore   int
	files      int
	rounds     int
	duration   time.Duration // of one measurement
	streams    int
	settle     time.Duration // that a server has to give memory back, and the kernel to free what is dead
	only       *regexp.Regexp

	kinds   []*kind // those that are on this machine
	cert    raw.Certificate
	loop    *raw.Loop
	node    *node
	machine string           // before there was any load
	running map[string]*peer // by kind and variant
	series  map[string]*series
	broken  []error
}

// series are the samples of one row and one server.
type series struct {
	cost, rate, p50, p99, busy measure.Figures
}

// prepare makes all that the rows need, and moves this process to its core.
func (b *bench) prepare() (err error) {
	b.machine = measure.Machine()
	b.running, b.series = map[string]*peer{}, map[string]*series{}
	if err := b.raiseLimit(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "posthouse-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // nginx's worker is another user
		return err
	}
	if err := b.build(); err != nil { // on all cores
		return err
	}
	for _, k := range kinds {
		if k.here(b) {
			b.kinds = append(b.kinds, k)
		} else {
			fmt.Printf("%s is not installed, and is left out.\n", k.name)
		}
	}
	if b.cert, err = raw.NewCertificate(b.dir); err != nil {
		return err
	}
	if b.serverCore, b.loadCore, err = measure.Cores(); err != nil {
		return err
	}
	// The loop keeps one while it waits, and what else there is needs others.
	runtime.GOMAXPROCS(4)
	if err := measure.PinSelf(b.loadCore); err != nil {
		return err
	}
	if b.loop, err = raw.NewLoop(); err != nil {
		return err
	}
	b.node, err = newNode(b.loop)
	return err
}

// raiseLimit lets this process have the descriptors for both ends of all streams, and so its children.
func (b *bench) raiseLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	b.files = int(min(limit.Max, 20_000))
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// build makes the binary of the tree as it is, with its symbols, for profiles.
func (b *bench) build() error {
	if b.binary != "" {
		return nil
	}
	b.binary = filepath.Join(b.dir, "posthouse")
	cmd := exec.Command("go", "build", "-o", b.binary, "posthouse/cmd/posthouse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// close stops every server.
func (b *bench) close() {
	for _, p := range b.running {
		p.process.Stop()
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

// measure runs all rows, round by round, until ctx ends.
func (b *bench) measure(ctx context.Context) error {
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, b.rounds)
		for _, r := range b.rows() {
			if err := b.row(ctx, r, round); err != nil {
				return err
			}
		}
		if err := b.holdAll(ctx); err != nil {
			return err
		}
	}
	return nil
}

// row lets the servers take turns at it. Each is the first one in its turn.
func (b *bench) row(ctx context.Context, r *row, round int) error {
	if !b.only.MatchString(r.name) {
		return nil
	}
	for i := range b.kinds {
		k := b.kinds[(round+i)%len(b.kinds)]
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.one(r, k); err != nil {
			b.fail(fmt.Errorf("%s: %s: %w", r.name, k.name, err))
		}
	}
	return nil
}

// fail keeps what does not work: the other rows go on.
func (b *bench) fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	b.broken = append(b.broken, err)
}

// one is one row, one server.
func (b *bench) one(r *row, k *kind) error {
	p, err := b.peer(k, r.variant)
	if err != nil {
		return err
	}
	s, err := r.run(b, p, &r.work)
	if err != nil {
		p.process.Stop() // in an unknown state
		delete(b.running, key(k, r.variant))
		return err
	}
	f := b.of(r.name, k)
	f.cost = append(f.cost, s.cost*r.scale)
	f.rate = append(f.rate, s.rate)
	f.p50 = append(f.p50, float64(s.p50.Nanoseconds())/1e3)
	f.p99 = append(f.p99, float64(s.p99.Nanoseconds())/1e3)
	f.busy = append(f.busy, s.busy)
	return nil
}

// peer starts a server when it is needed for the first time.
func (b *bench) peer(k *kind, v variant) (*peer, error) {
	if p := b.running[key(k, v)]; p != nil {
		return p, nil
	}
	p, err := b.start(k, v)
	if err == nil {
		b.running[key(k, v)] = p
	}
	return p, err
}

func key(k *kind, v variant) string { return fmt.Sprint(k.name, v) }

func (b *bench) of(row string, k *kind) *series {
	name := row + "\x00" + k.name
	if b.series[name] == nil {
		b.series[name] = &series{}
	}
	return b.series[name]
}

// The names of the rows about memory.
const (
	streamsProcess = "idle stream of events, process"
	streamsAll     = "idle stream of events, process and kernel"
	overTLS        = "TLS: "
)

// holdAll measures idle streams, by servers that have done nothing else: memory that was borrowed for other work would hide what
// streams need.
func (b *bench) holdAll(ctx context.Context) error {
	for _, v := range []variant{{}, {tls: true}} {
		prefix := ""
		if v.tls {
			prefix = overTLS
		}
		if !b.only.MatchString(prefix+streamsProcess) && !b.only.MatchString(prefix+streamsAll) {
			continue
		}
		direct, err := b.hold(&peer{addr: b.node.addrs[0]}, b.streams, nil)
		if err != nil {
			return fmt.Errorf("streams without a server: %w", err)
		}
		for _, k := range b.kinds {
			if err := ctx.Err(); err != nil {
				return err
			}
			h, err := b.holdOne(k, v)
			if err != nil {
				b.fail(fmt.Errorf("%s%s: %s: %w", prefix, streamsProcess, k.name, err))
				continue
			}
			process, all := b.of(prefix+streamsProcess, k), b.of(prefix+streamsAll, k)
			process.cost = append(process.cost, h.process/1024)
			all.cost = append(all.cost, (h.process+h.kernel-direct.kernel)/1024)
		}
	}
	return nil
}

func (b *bench) holdOne(k *kind, v variant) (held, error) {
	p, err := b.start(k, v)
	if err != nil {
		return held{}, err
	}
	defer p.process.Stop()
	w := work{}
	if v.tls {
		w = w.over(b.rows()[4].work.tls)
	}
	return b.hold(p, b.streams, w.tls)
}

// serveNodes lets the nodes answer while this goroutine does something else.
func (b *bench) serveNodes() (stop func()) {
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !over.Load() && b.loop.Turn() == nil {
		}
	}()
	return func() {
		over.Store(true)
		<-done
	}
}
