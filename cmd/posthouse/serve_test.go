package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/mailtest"
)

// served is a serve in this process with nodes behind it: what its file says is changed by write.
type served struct {
	t        *testing.T
	path     string
	front    string // host:port of imap
	admin    string
	nodes    []*mailtest.Node
	log      lockedBuffer
	stop     context.CancelFunc
	balancer *balancer
	ended    chan error
}

func newServed(t *testing.T, nodes int) *served {
	s := &served{t: t, path: filepath.Join(t.TempDir(), "topology.yaml"), ended: make(chan error, 1)}
	s.front, s.admin = freePort(t), freePort(t)
	for i := range nodes {
		n := &mailtest.Node{Name: fmt.Sprintf("node-%d", i+1), Address: map[string]string{"imap": ownAddress(192)}}
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Kill)
		s.nodes = append(s.nodes, n)
	}
	return s
}

// topology is a file with the first n of the nodes and more keys.
func (s *served) topology(n int, more string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: mail.example.org\nshutdown: {deadline: 2s}\nadmin: {listen: %q}\n", s.admin)
	fmt.Fprintf(&b, "services:\n  imap: {listen: [%q], proxy_protocol: none, check: {interval: 100ms, remote_interval: 100ms}}\nnodes:\n", s.front)
	for i, node := range s.nodes[:n] {
		a := node.Addr("imap")
		fmt.Fprintf(&b, "  - {name: node-%d, address: %s, services: [imap], ports: {imap: %d}}\n", i+1, a.Addr(), a.Port())
	}
	return b.String() + more
}

// write replaces the file by rename, as editors do.
func (s *served) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path+".new", []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.path+".new", s.path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *served) start() {
	s.t.Helper()
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	r := &reloader{path: s.path, options: config.Options{Serve: true}, log: log}
	topology, err := r.first()
	if err != nil {
		s.t.Fatal(err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	s.t.Cleanup(func() { signal.Stop(hangup) })
	r.hangup = hangup
	ctx, stop := context.WithCancel(s.t.Context())
	s.stop = stop
	s.balancer = newBalancer(topology, log)
	go func() { s.ended <- serve(ctx, s.balancer, r) }()
	s.t.Cleanup(func() { s.end() })
	poll(s.t, "the front to greet", func() bool { return s.greeting() != "" })
}

// end stops it as SIGTERM does; it may be called twice.
func (s *served) end() {
	if s.stop == nil {
		return
	}
	s.stop()
	s.stop = nil
	if err := <-s.ended; err != nil {
		s.t.Errorf("serve = %v", err)
	}
}

// greeting is what a new client hears first, "" for nothing.
func (s *served) greeting() string {
	c, err := net.DialTimeout("tcp", s.front, 5*time.Second)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	buffer := make([]byte, 256)
	n, _ := c.Read(buffer)
	return string(buffer[:n])
}

// metric is the value of a line of /metrics that begins with name.
func (s *served) metric(name string) string {
	response, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "none"
}

func TestReload(t *testing.T) {
	s := newServed(t, 5)
	s.write(s.topology(5, ""))
	s.start()
	client, err := mailtest.Dial(t.Context(), s.front, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Conn.Close()
	if err := client.Play("S: * OK\n"); err != nil {
		t.Fatal(err)
	}

	s.write(s.topology(5, "max_sessions: what is this\n"))
	poll(t, "the bad file to be refused", func() bool { return s.metric(`posthouse_reloads_total{result="refused"}`) == "1" })
	if got := s.metric("posthouse_topology_current"); got != "0" {
		t.Errorf("posthouse_topology_current = %s after a refused file, want 0", got)
	}
	if !strings.Contains(s.log.String(), `unknown key \"max_sessions\"`) {
		t.Errorf("the log does not say why:\n%s", s.log.String())
	}

	s.write(s.topology(2, ""))
	poll(t, "the shrunken file to be held", func() bool { return s.metric(`posthouse_reloads_total{result="held"}`) == "1" })

	s.write(s.topology(2, "max_shrink: 1\n"))
	poll(t, "the meant file to be applied", func() bool { return s.metric(`posthouse_reloads_total{result="applied"}`) == "1" })
	if got := s.metric("posthouse_topology_current"); got != "1" {
		t.Errorf("posthouse_topology_current = %s after a good file, want 1", got)
	}
	for range 20 {
		if node := mailtest.NodeName(s.greeting()); node != "node-1" && node != "node-2" {
			t.Fatalf("a new session went to %q, want node-1 or node-2", node)
		}
	}
	if err := client.Play("C: a NOOP\nS: a OK\n"); err != nil {
		t.Errorf("the session from before the reloads: %v", err)
	}

	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	poll(t, "SIGHUP to apply the same file again", func() bool { return s.metric(`posthouse_reloads_total{result="applied"}`) == "2" })
	if got := strings.Count(s.log.String(), "reload refused"); got != 1 {
		t.Errorf("the refusal was said %d times, want once", got)
	}
	s.checkGone()
}

// checkGone takes the file away and puts it back as it was.
func (s *served) checkGone() {
	s.t.Helper()
	if err := os.Rename(s.path, s.path+".away"); err != nil {
		s.t.Fatal(err)
	}
	poll(s.t, "the missing file to show", func() bool { return s.metric("posthouse_topology_current") == "0" })
	if err := os.Rename(s.path+".away", s.path); err != nil {
		s.t.Fatal(err)
	}
	poll(s.t, "the file that came back to show", func() bool { return s.metric("posthouse_topology_current") == "1" })
}

// TestStartHeld: with state_dir, a start with a file that takes too much away goes on with the last one.
func TestStartHeld(t *testing.T) {
	s := newServed(t, 5)
	ca, err := mailtest.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	const authority = "nodes-ca.crt" // relative: it must be found from the kept topology as well
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.path), authority), ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf("state_dir: %s\ntls: {node_ca: %s}\n", t.TempDir(), authority)
	s.write(s.topology(5, state))
	s.start()
	s.end()

	s.write(s.topology(1, state))
	s.path = filepath.Dir(s.path) + "/./" + filepath.Base(s.path) // the same file, spelled in another way
	s.start()
	if got := s.metric("posthouse_topology_current"); got != "0" {
		t.Errorf("posthouse_topology_current = %s, want 0: the file is not in effect", got)
	}
	seen := make(map[string]bool)
	poll(t, "sessions on nodes that only the old file has", func() bool {
		seen[mailtest.NodeName(s.greeting())] = true
		return len(seen) > 1
	})
	s.end()

	s.write(s.topology(1, state+"max_shrink: 1\n"))
	s.start()
	for range 10 {
		if node := mailtest.NodeName(s.greeting()); node != "node-1" {
			t.Fatalf("a session went to %q, want node-1 alone", node)
		}
	}
}

// TestStartInVain: a process that cannot listen where another one does leaves that one's state as it is.
func TestStartInVain(t *testing.T) {
	s := newServed(t, 2)
	state := fmt.Sprintf("state_dir: %s\n", t.TempDir())
	s.write(s.topology(1, state))
	s.start()
	dir := s.balancer.Topology().StateDir
	var before config.Source
	poll(t, "its topology to be kept", func() bool {
		before, _ = loadAccepted(dir)
		return before.Path == s.path
	})
	s.path += ".other.yaml"
	s.write(s.topology(2, state))
	second := &reloader{path: s.path, options: config.Options{Serve: true}, log: slog.New(slog.DiscardHandler)}
	topology, err := second.first()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve(t.Context(), newBalancer(topology, second.log), second); err == nil {
		t.Fatal("two processes listen on one address")
	}
	if after, err := loadAccepted(dir); err != nil || after.Path != before.Path {
		t.Errorf("what was in effect last is %s, %v, want %s", after.Path, err, before.Path)
	}
}

// TestServeCannotBind: an address that is taken ends the start with its name, and changes nothing at a reload.
func TestServeCannotBind(t *testing.T) {
	s := newServed(t, 1)
	s.write(s.topology(1, ""))
	s.start()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.write(strings.Replace(s.topology(1, ""), s.front, taken.Addr().String(), 1))
	poll(t, "the reload to be refused", func() bool { return s.metric(`posthouse_reloads_total{result="refused"}`) == "1" })
	if !strings.Contains(s.log.String(), taken.Addr().String()) {
		t.Errorf("the log does not name the address:\n%s", s.log.String())
	}
	if s.greeting() == "" {
		t.Error("the old address does not answer any more")
	}
}

var givenPorts sync.Map

// ownAddress is any port of an address of loopback, in the 64 networks from 127.first on, that no other process's tests are at: a port of it
// that was closed is free until it is bound again.
func ownAddress(first int) string {
	id := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d:0", first+id>>16&63, id>>8&255, id&255)
}

// freePort is at an address that nothing else in these tests is at. No one is given twice: where few ports are free the kernel would.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ownAddress(128))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	if _, again := givenPorts.LoadOrStore(address, true); again {
		return freePort(t) // while l keeps this one
	}
	return address
}

const pollPause = 10 * time.Millisecond

func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(pollPause)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex // guards the following
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
