package nearest

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"posthouse/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a loader that runs inside a bubble, and what it has said.
type stage struct {
	*Loader
	path string
	log  bytes.Buffer
	told []string // NAME:FIRST of the topology's cluster, and which region 192.0.2.1 belongs to
	err  error
	stop func()
}

func play(t *testing.T, topology *config.Topology, content []byte) *stage {
	t.Helper()
	s := &stage{path: filepath.Join(t.TempDir(), "city.mmdb")}
	s.write(t, content)
	topology.DNS = &config.DNS{GeoIP: []string{s.path}}
	l, err := NewLoader(topology, slog.New(slog.NewTextHandler(&s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	l.Metrics = NewMetrics(prometheus.NewRegistry())
	l.Ready = func(at *config.Topology, g *Geography) {
		order, _ := g.Lookup(netip.MustParseAddr("192.0.2.1"))
		s.told = append(s.told, at.Cluster+":"+at.Regions[g.Order(order)[0]].Name)
	}
	s.Loader = l
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.err = l.Run(ctx) })
	s.stop = func() { cancel(); running.Wait() }
	return s
}

func (s *stage) write(t *testing.T, content []byte) {
	t.Helper()
	if err := os.WriteFile(s.path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.path+".new", s.path); err != nil {
		t.Fatal(err)
	}
}

// expect is what Ready was told so far, after a while.
func (s *stage) expect(t *testing.T, after time.Duration, want string) {
	t.Helper()
	time.Sleep(after)
	synctest.Wait()
	if got := strings.Join(s.told, " "); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// counts is what the metrics are to say. A database in effect was loaded within the bubble's time.
func (s *stage) counts(t *testing.T, networks, refused float64) {
	t.Helper()
	m := s.Metrics
	if n, r := testutil.ToFloat64(m.networks), testutil.ToFloat64(m.refused); n != networks || r != refused {
		t.Errorf("%v networks, %v refused; want %v, %v", n, r, networks, refused)
	}
	if loaded := testutil.ToFloat64(m.loaded); (loaded > 0) != (networks > 0) || loaded > float64(time.Now().Unix()) {
		t.Errorf("loaded at %v with %v networks", loaded, networks)
	}
}

func inCluster(name string, t *config.Topology) *config.Topology {
	t.Cluster = name
	return t
}

func TestLoaderFollowsFileAndTopology(t *testing.T) {
	german := file(t, network{"192.0.2.0/24", flat("DE", 52.5, 13.5)})
	brazilian := file(t, network{"192.0.2.0/24", flat("BR", -23, -46)})
	synctest.Test(t, func(t *testing.T) {
		first := inCluster("a", world())
		s := play(t, first, german)
		defer s.stop()
		s.expect(t, 0, "a:eu")
		s.write(t, brazilian)
		s.expect(t, 3*time.Second, "a:eu a:sa")
		s.expect(t, time.Minute, "a:eu a:sa") // and no more
		s.write(t, []byte("no database"))
		s.expect(t, time.Minute, "a:eu a:sa")
		again := inCluster("a", world())
		again.DNS = first.DNS
		s.Use(again)
		s.expect(t, time.Second, "a:eu a:sa a:sa") // regions are where they were: the last table stands for it
		if n := strings.Count(s.log.String(), "geoip not loaded"); n != 2 || !strings.Contains(s.log.String(), s.path) {
			t.Errorf("a broken file was said %d times for two topologies:\n%s", n, &s.log)
		}
		s.counts(t, 1, 2)
		s.write(t, brazilian)
		s.expect(t, 3*time.Second, "a:eu a:sa a:sa a:sa")
		for event, times := range map[string]int{"geoip-loaded": 3, "geoip-refused": 2} {
			if n := strings.Count(s.log.String(), "event="+event); n != times {
				t.Errorf("%s was said %d times, want %d:\n%s", event, n, times, &s.log)
			}
		}

		pinned := inCluster("b", world())
		pinned.DNS = first.DNS
		pinned.Regions[2].Countries = []string{"BR"}
		s.Use(pinned)
		s.expect(t, 2*time.Second, "a:eu a:sa a:sa a:sa b:ap")
		same := inCluster("c", world())
		same.DNS, same.Regions = first.DNS, pinned.Regions
		s.Use(same)
		s.expect(t, 0, "a:eu a:sa a:sa a:sa b:ap c:ap") // nothing to read: at once
		none := inCluster("d", world())
		s.Use(none)
		s.expect(t, 2*time.Second, "a:eu a:sa a:sa a:sa b:ap c:ap d:eu")
		s.counts(t, 0, 2)
	})
}

// What was made beforehand is in effect at once, even if the database has become of no use since.
func TestLoaderMakesBeforehand(t *testing.T) {
	german := file(t, network{"192.0.2.0/24", flat("DE", 52.5, 13.5)})
	synctest.Test(t, func(t *testing.T) {
		first := inCluster("a", world())
		s := play(t, first, german)
		defer s.stop()
		s.expect(t, 0, "a:eu")
		pinned := func(name string) *config.Topology {
			topology := inCluster(name, world())
			topology.DNS = first.DNS
			topology.Regions[2].Countries = []string{"DE"}
			return topology
		}
		next, other := pinned("b"), pinned("c")
		other.Regions[2].Countries, other.Regions[1].Countries = nil, []string{"DE"}
		if err := s.Make(next); err != nil {
			t.Error(err)
		}
		s.expect(t, time.Minute, "a:eu")
		s.write(t, []byte("no database"))
		s.Use(next)
		s.expect(t, time.Minute, "a:eu b:ap")
		if err := s.Make(other); err == nil {
			t.Error("Make of what is no database has no error")
		}
	})
}

// A file that is as it was may become readable.
func TestLoaderTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "city.mmdb")
		topology := inCluster("a", world())
		topology.DNS = &config.DNS{GeoIP: []string{path}}
		before, err := New(topology)
		if err != nil {
			t.Fatal(err)
		}
		l := &Loader{log: slog.New(slog.DiscardHandler), wanted: topology, current: before}
		l.Ready = func(*config.Topology, *Geography) {}
		tries := 0
		for range 10 * time.Minute / look {
			if l.step() != nil { // there is no such file
				tries++
			}
			time.Sleep(look)
		}
		if tries != 10 {
			t.Errorf("tried %d times in 10 minutes, want once a minute", tries)
		}
	})
}

func TestLoaderWithoutFirstGeography(t *testing.T) {
	if _, err := NewLoader(&config.Topology{DNS: &config.DNS{GeoIP: []string{"/nowhere/city.mmdb"}}}, slog.Default()); err == nil ||
		!strings.Contains(err.Error(), "/nowhere/city.mmdb") {
		t.Errorf("a file that is missing: %v", err)
	}
	path := filepath.Join(t.TempDir(), "text.mmdb")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewLoader(&config.Topology{DNS: &config.DNS{GeoIP: []string{path}}}, slog.Default()); err == nil ||
		!strings.Contains(err.Error(), "MaxMind's format") {
		t.Errorf("a file of another format: %v", err)
	}
	empty := file(t)
	synctest.Test(t, func(t *testing.T) {
		s := play(t, world(), empty)
		synctest.Wait()
		s.stop()
		if s.err == nil || !strings.Contains(s.err.Error(), "empty") || len(s.told) > 0 {
			t.Errorf("an empty database: error %v, told %v", s.err, s.told)
		}
	})
}
