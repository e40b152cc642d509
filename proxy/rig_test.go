package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"posthouse/config"
	"posthouse/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// script is what a node does with a connection; it is closed afterwards.
type script func(c *net.TCPConn)

// node is a scripted server on loopback.
type node struct {
	listener *net.TCPListener
	port     uint16

	mu    sync.Mutex // guards the following
	conns int
}

func newNode(t testing.TB, s script) *node {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{listener: l, port: uint16(l.Addr().(*net.TCPAddr).Port)}
	var running sync.WaitGroup
	var mu sync.Mutex
	open := make(map[*net.TCPConn]bool)
	running.Go(func() {
		for {
			c, err := l.AcceptTCP()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil: // some tests take all descriptors
				time.Sleep(time.Millisecond)
				continue
			}
			n.mu.Lock()
			n.conns++
			n.mu.Unlock()
			mu.Lock()
			open[c] = true
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				s(c)
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return n
}

// accepted is how many connections the node has had.
func (n *node) accepted() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.conns
}

// refusing is a node that does not listen. It has its port all the same, so that nobody else answers there, the rig's own server least of all.
func refusing(t testing.TB) *node {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return &node{port: uint16(at.(*unix.SockaddrInet4).Port)}
}

// rig is a Server with nodes. Each node stands in a region of its own, so that they are tried in order.
type rig struct {
	t        testing.TB
	server   *Server
	topology *config.Topology
	service  *config.Service
	log      *logBuffer
	stop     func()        // begins the drain
	done     chan struct{} // closed: Run has returned
	gather   func() func()
	times    httpTimes
	passed   []*net.TCPListener
	loopless bool // the relay has no loops

	mu     sync.Mutex // guards the following
	failed []string   // nodes that the server suspects
}

// newRig starts a server with one IMAP service unless change says otherwise.
func newRig(t testing.TB, change func(*config.Service), nodes ...*node) *rig {
	t.Helper()
	r := &rig{t: t, log: new(logBuffer), topology: newTopology(change, nodes...)}
	r.service = r.topology.Services[0]
	r.start()
	return r
}

func newTopology(change func(*config.Service), nodes ...*node) *config.Topology {
	s := &config.Service{
		Name: "imap", Protocol: config.IMAP, Port: 143, TLS: config.TLSNone, Live: true, Attempts: 4,
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Balance: config.LeastSessions,
		Timeouts: config.Timeouts{Connect: 2 * time.Second, Greeting: 2 * time.Second, Idle: time.Minute},
	}
	if change != nil {
		change(s)
	}
	t := &config.Topology{
		Cluster: "mail.example.org", Region: "r0", Deadline: 2 * time.Second, MinHealthy: 0.5,
		Services: []*config.Service{s},
	}
	for i, n := range nodes {
		name := fmt.Sprintf("r%d", i)
		t.Regions = append(t.Regions, &config.Region{Name: name})
		t.Nodes = append(t.Nodes, &config.Node{
			Name: fmt.Sprintf("node-%d", i+1), Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Region: name,
			Services: []string{s.Name}, Weight: 1, Ports: map[string]uint16{s.Name: n.port},
		})
	}
	if len(nodes) == 0 {
		t.Regions = []*config.Region{{Name: "r0"}}
	}
	t.Regions[0].FailoverSet = true
	for _, region := range t.Regions[1:] {
		t.Regions[0].Failover = append(t.Regions[0].Failover, region.Name)
	}
	return t
}

func (r *rig) start() {
	r.t.Helper()
	log := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.server = &Server{Router: routing.NewRouter(r.topology, log), Log: log, Failed: r.suspect, times: r.times, Passed: r.passed, Gather: r.gather}
	if r.loopless || walking {
		r.server.engine.Close() // none are opened after that
	}
	change, err := r.server.Prepare(r.topology)
	if err != nil {
		r.t.Fatal(err)
	}
	change.Commit()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		r.server.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		select {
		case <-r.done:
		case <-time.After(patience):
			r.t.Error("Run did not end")
		}
	})
}

func (r *rig) suspect(t config.Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, t.Node)
}

func (r *rig) suspects() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.failed)
}

// address is where the only listener, or the one of a service, really is.
func (r *rig) address(service string) *net.TCPAddr {
	r.t.Helper()
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for _, l := range r.server.listeners {
		for _, s := range l.front.Load().services {
			if s.Name == service {
				return l.socket.Addr().(*net.TCPAddr)
			}
		}
	}
	r.t.Fatalf("nobody listens for %s", service)
	return nil
}

// connect is a client of the first service.
func (r *rig) connect() *peer {
	r.t.Helper()
	return r.connectFrom("127.0.0.1")
}

func (r *rig) connectFrom(ip string) *peer {
	r.t.Helper()
	c, err := net.DialTCP("tcp4", &net.TCPAddr{IP: net.ParseIP(ip)}, r.address(r.service.Name))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return newPeer(r.t, c)
}

// ended waits for the log line of the session number n, from 1, in the order of their ends.
func (r *rig) ended(n int) map[string]any {
	r.t.Helper()
	var line map[string]any
	eventually(r.t, fmt.Sprintf("%d sessions in the log", n), func() bool {
		lines := r.log.sessions()
		if len(lines) < n {
			return false
		}
		line = lines[n-1]
		return true
	})
	return line
}

// expectEnd waits for the first session's end.
func (r *rig) expectEnd(want string) map[string]any {
	r.t.Helper()
	line := r.ended(1)
	if line["end"] != want {
		r.t.Errorf("end = %v, want %s (%v)", line["end"], want, line)
	}
	return line
}

// peer is one end of a dialogue.
type peer struct {
	*net.TCPConn
	t testing.TB
	r *bufio.Reader
}

func newPeer(t testing.TB, c *net.TCPConn) *peer {
	c.SetDeadline(time.Now().Add(patience))
	return &peer{TCPConn: c, t: t, r: bufio.NewReader(c)}
}

func (p *peer) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.TCPConn, text); err != nil {
		p.t.Errorf("say %q: %v", text, err)
	}
}

// hear reads exactly this.
func (p *peer) hear(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.r, got)
	if string(got[:n]) != want {
		p.t.Fatalf("heard %q (%v), want %q", got[:n], err, want)
	}
}

// hearEnd reads to the end.
func (p *peer) hearEnd() {
	p.t.Helper()
	rest, err := io.ReadAll(p.r)
	if err != nil || len(rest) > 0 {
		p.t.Errorf("heard %q, %v, want the end", rest, err)
	}
}

// hearRest reads to the end, which may be a reset.
func (p *peer) hearRest() (string, error) {
	rest, err := io.ReadAll(p.r)
	return string(rest), err
}

func eventually(t testing.TB, what string, fact func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !fact(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// logBuffer keeps JSON log lines.
type logBuffer struct {
	mu    sync.Mutex // guards the following
	bytes bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes.String()
}

// lines are the lines with a message.
func (b *logBuffer) lines(message string) []map[string]any {
	var all []map[string]any
	for text := range strings.Lines(b.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			all = append(all, line)
		}
	}
	return all
}

func (b *logBuffer) sessions() []map[string]any { return b.lines("session") }

// Scripts.

const greeting = "* OK ready\r\n"

// echo greets and says everything back until the client closes.
func echo(c *net.TCPConn) {
	io.WriteString(c, greeting)
	io.Copy(c, c)
	c.CloseWrite()
}

// mute accepts and says nothing until the other side closes.
func mute(c *net.TCPConn) { io.Copy(io.Discard, c) }

// says says something and closes when the other side has.
func says(text string) script {
	return func(c *net.TCPConn) {
		io.WriteString(c, text)
		io.Copy(io.Discard, c)
	}
}

// hangsUp closes at once.
func hangsUp(c *net.TCPConn) {}

// resets resets at once.
func resets(c *net.TCPConn) { c.SetLinger(0) }

// list is the sessions that have a node.
func (r *rig) list() []Session {
	all, _ := r.server.List(Filter{}, "", 1000)
	return all
}
