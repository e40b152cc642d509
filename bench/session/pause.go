//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"posthouse/bench/beside"
)

const (
	pauseComers  = 4               // new sessions meanwhile, so that there is garbage
	pauseTime    = 3 * time.Second // that echoes are looked at: enough of them for a 99.9th percentile
	collectEvery = 100 * time.Millisecond
)

// pauseRow is about how long a live session waits for its echo while others idle, new ones come and go, metrics are read, and the
// collector of garbage runs.
func (b *bench) pauseRow() *row {
	return &row{
		Lines: []beside.Line{{Name: fmt.Sprintf("99.9 %% of echoes beside %d idle sessions, new ones and Go's collector", b.sessions), Unit: "ms",
			Goal: beside.Goal{Most: 5}}},
		Variant: variant{collects: true},
		Fresh:   true,
		Run: func(p *server) ([]beside.Sample, error) {
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // our own collector is not to be measured
			s, err := b.pause(p)
			s.Cost = s.P999 / 1000
			return []beside.Sample{s}, err
		},
	}
}

// pause lets one session talk beside all the others.
func (b *bench) pause(p *server) (s beside.Sample, err error) {
	line := b.newLoad(p, &work{verb: say, clients: 1})
	idle := line.beside(&work{verb: say, clients: b.sessions})
	comers := line.beside(&work{verb: say, clients: pauseComers, each: true})
	if err := idle.hold(b.sessions); err != nil {
		return s, err
	}
	if err := comers.openAll(); err != nil {
		return s, err
	}
	if err := line.openAll(); err != nil {
		return s, err
	}
	stop := collect(p)
	s, err = line.Count(p.PIDs, max(pauseTime, b.site.Time), microseconds, line.run)
	runs, collectErr := stop()
	switch {
	case err != nil:
		return s, err
	case collectErr != nil:
		return s, collectErr
	case p.Kind.Ours && runs == 0:
		return s, fmt.Errorf("the collector has not run")
	}
	for _, l := range []*load{line, comers} {
		if err := l.finish(); err != nil {
			return s, err
		}
	}
	return s, idle.release()
}

// collect reads the metrics of ours again and again, until stop, which says how often the collector has run meanwhile.
func collect(p *server) (stop func() (runs int, err error)) {
	if !p.Kind.Ours {
		return func() (int, error) { return 0, nil }
	}
	first, err := collections(p)
	last, over := first, make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for err == nil {
			select {
			case <-over:
				return
			case <-time.After(collectEvery):
				last, err = collections(p)
			}
		}
	})
	return func() (int, error) {
		close(over)
		all.Wait()
		return last - first, err
	}
}

var collectionsLine = regexp.MustCompile(`(?m)^go_gc_duration_seconds_count (\d+)$`)

// collections is how often the collector of a Posthouse has run, as its metrics say.
func collections(p *server) (int, error) {
	client := http.Client{Timeout: leaveTime, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(p.Dir, "admin.sock"))
		},
	}}
	r, err := client.Get("http://localhost/metrics")
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, err
	}
	found := collectionsLine.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("the metrics do not say how often the collector has run")
	}
	return strconv.Atoi(string(found[1]))
}
