package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthouse/config"
)

const demoWidth, demoHeight = 78, 20 // a terminal of 80 columns and 24 lines, with some room

// screen is what a demo has printed so far.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// await polls until the screen shows what matches, and gives the whole match.
func (s *screen) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.Now().Add(40 * time.Second)
	for time.Now().Before(deadline) && !strings.Contains(s.String(), "\nplay: ") {
		if match := re.FindString(s.String()); match != "" {
			return match
		}
		pause(t.Context(), 10*time.Millisecond)
	}
	t.Fatalf("%q did not come; the screen shows\n%s", pattern, s)
	return ""
}

// playing is a demo in the background; end ends it and gives its error.
func playing(t *testing.T, cmd demoCmd) (s *screen, end func() error) {
	t.Helper()
	s = &screen{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := cmd.play(ctx, newDemoEvents(s))
		if err != nil {
			fmt.Fprintf(s, "\nplay: %v\n", err)
		}
		done <- err
	}()
	end = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { end() })
	return s, end
}

// TestDemo sees a node die and return, sessions move, an edited file take effect, and nothing left behind.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s, end := playing(t, demoCmd{BasePort: 10000, Chaos: 5 * time.Second})

	s.await(t, `(?m)^\S+ imaps +eu -> eu-\d   us -> us-\d   ap -> ap-\d$`)
	s.await(t, `chaos +eu-1 killed`)
	s.await(t, `eu +probes: eu-1 down \(.*\)`)
	s.await(t, `chaos +eu-1 started again`)
	s.await(t, `eu +probes: eu-1 up`)
	s.await(t, `idle moved: \S+ -> `)
	s.await(t, `events moved: eu-1 -> eu-2`)
	s.await(t, `jmap +eu -> eu-[12]   us -> us-[12]   ap -> `)
	s.await(t, `webdav +eu -> eu-3   us -> us-3   ap -> `)

	path := filepath.Join(directoryShown(t, s), demoTopologyFile)
	edit(t, path, "- name: eu-2\n    region: eu\n    role: mail\n    weight: 1\n    state: active", "- name: eu-2\n    region: eu\n    role: mail\n    weight: 3\n    state: drain")
	s.await(t, `file +reloaded: eu-2 drain; eu-2 weight 1 -> 3`)
	edit(t, path, "weight: 3", "wieght: 3")
	s.await(t, `file +refused: .*topology.yaml:\d+:\d+: .*`)

	if err := end(); err != nil {
		t.Fatal(err)
	}
	last := s.await(t, `demo +ended after .*`)
	if !strings.Contains(last, " 0 failed") {
		t.Errorf("sessions failed: %s\n%s", last, s)
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for line := range strings.Lines(s.String()) {
		if n := len(strings.TrimRight(line, "\n")); n > demoWidth && !strings.Contains(line, temp) {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// directoryShown is where the banner says that the files are.
func directoryShown(t *testing.T, s *screen) string {
	t.Helper()
	return strings.TrimPrefix(strings.TrimSpace(s.await(t, `(?m)^  cd /.*$`)), "cd ")
}

func edit(t *testing.T, path, old, new string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%v; no %q in\n%s", err, old, text)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDemoCommands runs what the banner says to try, as far as the programs are here.
func TestDemoCommands(t *testing.T) {
	dir := t.TempDir()
	s, end := playing(t, demoCmd{BasePort: 10000, Dir: dir})
	s.await(t, `Ctrl-C ends it`)
	banner := s.String()
	for program, want := range map[string]string{
		"openssl": `(eu|us|ap)-\d IMAP server ready`,
		"curl":    `It works|INBOX|"nodes"|(?i:x-node): (eu-[12]|us-3)|BEGIN CERTIFICATE`,
		"swaks":   `221`,
		"dig":     `127\.0\.0\.12`,
	} {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s is not installed", program)
			continue
		}
		lines := regexp.MustCompile(`(?m)^  `+program+` .*$`).FindAllString(strings.ReplaceAll(banner, "\\\n", ""), -1)
		if len(lines) == 0 {
			t.Errorf("the banner has no %s", program)
		}
		for _, line := range lines {
			tryCommand(t, dir, line, want)
		}
	}
	s.await(t, `eu +your imaps session: eu-\d, \d+ bytes, end: (client|node)`)
	s.await(t, `eu +your jmap session: eu-\d, 1 request, \d+ bytes, end: client`)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{demoTopologyFile, demoLogFile, demoCAFile} {
		if !fileExists(filepath.Join(dir, name)) {
			t.Errorf("--dir has no %s", name)
		}
	}
}

func tryCommand(t *testing.T, dir, line, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader("a LOGOUT\r\n") // ends what would wait for somebody to type
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(want).Match(out) {
		t.Errorf("%s: %v, want %s in\n%s", line, err, want, out)
	}
}

func TestDemoEndsOnInterrupt(t *testing.T) {
	s := &screen{}
	done := make(chan error, 1)
	go func() {
		err := demoCmd{BasePort: 10000, For: time.Minute}.Run(console{out: s, err: s})
		if err != nil {
			fmt.Fprintf(s, "\nplay: %v\n", err)
		}
		done <- err
	}()
	s.await(t, `Ctrl-C ends it`)
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	s.await(t, `demo +ended after `)
}

func TestDemoBannerFitsATerminal(t *testing.T) {
	cluster := &demoCluster{}
	for _, m := range demoMap {
		front := frontPorts()
		for service := range front {
			front[service] += lastBlock
		}
		cluster.regions = append(cluster.regions, &demoRegion{name: m.region, clients: m.clients, front: front, nodes: make([]*demoNode, 3)})
	}
	for _, chaos := range []time.Duration{0, 90 * time.Second} {
		banner := cluster.banner("/tmp/posthouse-demo-1234567890", chaos)
		if n := strings.Count(banner, "\n"); n > demoHeight {
			t.Errorf("%d lines", n)
		}
		for line := range strings.Lines(banner) {
			if n := len(strings.TrimRight(line, "\n")); n > demoWidth {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
}

func TestDemoTopologyLoads(t *testing.T) {
	cluster, err := newDemoCluster(10000)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.release()
	dir := t.TempDir()
	if _, err := writeCertificates(dir); err != nil {
		t.Fatal(err)
	}
	source := config.Source{Path: demoTopologyFile, Files: []config.File{{Name: demoTopologyFile, Data: cluster.topology()}}}
	for _, r := range cluster.regions {
		topology, err := config.Parse(source, config.Options{Region: r.name, Serve: true, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		var listen, want []string
		for _, l := range topology.Listeners() {
			listen = append(listen, l.Address.String())
		}
		for service := range r.front {
			if listened(service) {
				want = append(want, r.front.address(service))
			}
		}
		slices.Sort(listen)
		slices.Sort(want)
		want = slices.Compact(want) // those that share one
		if !slices.Equal(listen, want) {
			t.Errorf("%s listens on %v, want %v", r.name, listen, want)
		}
	}
}

func TestDemoStepsOverTakenPorts(t *testing.T) {
	cluster, err := newDemoCluster(10000)
	if err != nil {
		t.Fatal(err)
	}
	smtp := cluster.regions[0].front["smtp"]
	base := smtp - frontPorts()["smtp"]
	again := func() int {
		c, err := newDemoCluster(base)
		if err != nil {
			t.Fatal(err)
		}
		defer c.release()
		return c.regions[0].front["smtp"]
	}
	if got := again(); got <= smtp {
		t.Errorf("smtp at %d, in a block that another demo has claimed", got)
	}
	taken, err := net.Listen("tcp", cluster.regions[0].front.address("pop3s"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cluster.release()
	if got := again(); got <= smtp {
		t.Errorf("smtp at %d, but a port of its block is taken", got)
	}
	for _, base := range []int{0, 29000, 70000, -1} {
		if _, err := newDemoCluster(base); err == nil {
			t.Errorf("base port %d: no error", base)
		}
	}
}

func TestTopologyChanges(t *testing.T) {
	region := []*config.Region{{Name: "eu"}}
	old := &config.Topology{Regions: region, Nodes: []*config.Node{
		{Name: "a", Weight: 1, Services: []string{"imaps"}}, {Name: "b", Weight: 1}, {Name: "c", Weight: 1},
	}}
	new := &config.Topology{Regions: []*config.Region{{Name: "eu", State: config.Drain}}, Nodes: []*config.Node{
		{Name: "a", Weight: 4, Services: []string{"imaps", "smtp"}}, {Name: "b", Weight: 1, State: config.Disabled}, {Name: "d"},
	}}
	got := fmt.Sprint(strings.Join(topologyChanges(old, new), "; "))
	want := "a weight 1 -> 4; a runs imaps smtp; b disabled; d added; c removed; region eu drain"
	if got != want {
		t.Errorf("changes %q, want %q", got, want)
	}
	if got := topologyChanges(old, old); !slices.Equal(got, []string{"other settings"}) {
		t.Errorf("no change of nodes: %q", got)
	}
}

func TestGuestLog(t *testing.T) {
	s, own := &screen{}, &ownClients{}
	log := slog.New(&guestLog{Handler: slog.NewTextHandler(io.Discard, nil), events: newDemoEvents(s), own: own, region: "eu"}).With("a", 1)
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	own.connected(client)
	for _, row := range []struct{ message, client, node, down, want string }{
		{"session", client.LocalAddr().String(), "eu-1", "1", ""},
		{"session", "192.0.2.1:1", "eu-1", "42", "your imaps session: eu-1, 42 bytes, end: client"},
		{"session", "192.0.2.1:1", "", "", "your imaps session: nobody, no bytes, end: client"},
		{"node up", "192.0.2.1:1", "eu-1", "", ""},
	} {
		before := len(s.String())
		log.Info(row.message, "service", "imaps", "client", row.client, "node", row.node, "down", row.down, "end", "client")
		got := s.String()[before:]
		if !strings.HasSuffix(strings.TrimSpace(got), row.want) || (row.want == "") != (got == "") {
			t.Errorf("%v printed %q", row, got)
		}
	}
	for requests, want := range map[int]string{1: "eu-1, 1 request, 7 bytes", 3: "eu-1, 3 requests, 7 bytes"} {
		log.Info("session", "service", "jmap", "client", "192.0.2.1:1", "node", "eu-1", "requests", requests, "down", "7", "end", "client")
		if line := "your jmap session: " + want + ", end: client\n"; !strings.HasSuffix(s.String(), line) {
			t.Errorf("%d requests: no %q in %q", requests, line, s)
		}
	}
	if len(own.clients) != 0 {
		t.Errorf("still remembered: %v", own.clients)
	}
}

// TestDemoHoldsAShrinkingFile has a pool large enough to count: max_shrink leaves pools below four nodes alone.
func TestDemoHoldsAShrinkingFile(t *testing.T) {
	s := &screen{}
	source := func(text string) config.Source {
		return config.Source{Path: demoTopologyFile, Files: []config.File{{Name: demoTopologyFile, Data: []byte(text)}}}
	}
	const file = "cluster: mail.demo.example\nnodes:\n  - {name: \"n-[1-%d]\", address: 127.0.0.1+, services: [lmtp]}\n"
	cluster := &demoCluster{regions: []*demoRegion{{name: "default", front: portMap{}}}}
	d := &demo{cluster: cluster, events: newDemoEvents(s), balancers: make(map[string]*balancer)}
	topology, err := d.parse(source(fmt.Sprintf(file, 4)), cluster.regions[0])
	if err != nil {
		t.Fatal(err)
	}
	b := newBalancer(topology, slog.New(slog.DiscardHandler))
	d.balancers["default"] = b
	d.reload(source(fmt.Sprintf(file, 1)))
	if b.Topology() != topology {
		t.Error("the topology that takes most nodes away is in effect")
	}
	if want := `held, max_shrink: 1 lets it through: lmtp in region "default" would lose 3 of 4 nodes`; !strings.Contains(s.String(), want) {
		t.Errorf("no %q in %q", want, s)
	}
}

func TestShellWord(t *testing.T) {
	for _, row := range []struct{ path, want string }{
		{"/tmp/posthouse-demo-1", "/tmp/posthouse-demo-1"}, {"/a b", "'/a b'"}, {"/it's", `'/it'\''s'`}, {"/é$", "'/é$'"},
	} {
		if got := shellWord(row.path); got != row.want {
			t.Errorf("shellWord(%q) = %s, want %s", row.path, got, row.want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", ""}, {"1234567890", "1234567890"}, {"12345678901", "1234567..."},
	} {
		if got := clip(row.text, 10); got != row.want {
			t.Errorf("clip(%q) = %q, want %q", row.text, got, row.want)
		}
	}
}
