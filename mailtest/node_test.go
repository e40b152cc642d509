package mailtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"posthouse/config"
)

func TestGreetingsNameTheNode(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	v := Visitor{Name: "anna", Password: "secret", TLS: config}
	want := int64(0)
	for service, s := range services {
		want++
		if s.protocol == "http" {
			want++ // it leaves with a request
		}
		visit, err := v.Visit(t.Context(), service, node.Addr(service).String())
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		if visit.Node != "eu-1" {
			t.Errorf("%s: landed on %q, want eu-1", service, visit.Node)
		}
		if err := visit.Leave(); err != nil {
			t.Errorf("%s: leaving: %v", service, err)
		}
	}
	eventually(t, "all sessions have ended", func() bool { return node.Sessions() == 0 })
	if got := node.Served(); got != want {
		t.Errorf("Served() = %d, want %d", got, want)
	}
}

func TestNodeName(t *testing.T) {
	for _, row := range []struct{ greeting, want string }{
		{"220 eu-1 ESMTP Service Ready", "eu-1"},
		{"220 eu-1 LMTP Service Ready", "eu-1"},
		{"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] eu-1 IMAP server ready", "eu-1"},
		{"+OK eu-1 POP3 server ready", "eu-1"},
		{`"IMPLEMENTATION" "eu-1 ManageSieve server"`, "eu-1"},
		{"* BYE [UNAVAILABLE] no server available, try again later", ""},
		{"421 4.3.2 mail.example.org no server available, try again later", ""},
		{"ESMTP", ""},
		{"", ""},
	} {
		if got := NodeName(row.greeting); got != row.want {
			t.Errorf("NodeName(%q) = %q, want %q", row.greeting, got, row.want)
		}
	}
}

func TestKillCutsAndStartRevives(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	before := node.Addr("imaps")
	c := dialled(t, node, "imaps", config)
	if err := c.Play("S: * OK\nC: a LOGIN anna secret\nS~ a OK\nC: b SELECT INBOX\nS~ b OK\nC: c IDLE\nS: +"); err != nil {
		t.Fatal(err)
	}
	node.Kill()
	if err := c.End(); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the session ended with %v, want a close", err)
	}
	if conn, err := net.Dial("tcp", before.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial of a dead node: %v, %v, want a refusal", conn, err)
	}
	if node.Up() || node.Sessions() != 0 {
		t.Errorf("Up, Sessions = %v, %d after Kill", node.Up(), node.Sessions())
	}
	node.Kill() // harmless

	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	if after := node.Addr("imaps"); after != before {
		t.Errorf("came back at %v, was at %v", after, before)
	}
	if err := dialled(t, node, "imaps", config).Play("S: * OK"); err != nil {
		t.Error(err)
	}
}

func TestFrozenNodeAcceptsAndSaysNothing(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	old := dialled(t, node, "pop3", config)
	if err := old.Play("S: +OK"); err != nil {
		t.Fatal(err)
	}
	node.Freeze()
	node.Freeze() // harmless
	fresh := dialled(t, node, "smtp", config)
	if err := old.Send("CAPA"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Client{old, fresh} {
		c.Timeout = 50 * time.Millisecond
		if line, err := c.Line(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a frozen node said %q, %v", line, err)
		}
		c.Timeout = 0
	}
	node.Thaw()
	if err := old.Play("S: +OK"); err != nil {
		t.Errorf("old session, thawed: %v", err)
	}
	if err := fresh.Play("S: 220 eu-1"); err != nil {
		t.Errorf("new session, thawed: %v", err)
	}
}

func TestFrozenNodeCanBeKilled(t *testing.T) {
	node, config := started(t, config.ProxyNone)
	node.Freeze()
	c := dialled(t, node, "smtp", config)
	eventually(t, "the connection is accepted", func() bool { return node.Sessions() == 1 })
	node.Kill()
	if err := c.End(); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	if err := dialled(t, node, "smtp", config).Play("S: 220"); err != nil {
		t.Errorf("after a new start: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	node := &Node{Name: "eu-1", Address: map[string]string{"smtp": "127.0.0.1:0"}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- node.Run(ctx) }()
	eventually(t, "the node is up", node.Up)
	if err := dialled(t, node, "smtp", nil).Play("S: 220 eu-1"); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil || node.Up() {
		t.Errorf("Run = %v, up %v", err, node.Up())
	}
}

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for what, node := range map[string]*Node{
		"an unknown service":    {Address: map[string]string{"gopher": "127.0.0.1:0"}},
		"TLS without a key":     {Address: map[string]string{"imaps": "127.0.0.1:0"}},
		"an address in use":     {Address: map[string]string{"imap": "127.0.0.1:0", "smtp": taken.Addr().String()}},
		"an address that isn't": {Address: map[string]string{"smtp": "nowhere"}},
	} {
		if err := node.Start(); err == nil {
			t.Errorf("%s: no error", what)
			node.Kill()
		}
		if node.Up() {
			t.Errorf("%s: up", what)
		}
	}
	node := &Node{Name: "eu-1"}
	defer node.Kill()
	if err := errors.Join(node.Start(), node.Start()); err == nil {
		t.Error("started twice without an error")
	}
}

func TestManyMailboxesStayBounded(t *testing.T) {
	store := twoMessages()
	for range 3 * keptMessages {
		store.deliver([]string{"anna@example.org", "nobody@example.org"}, []byte("Subject: x\r\n\r\n"))
	}
	anna := store.account("anna")
	if got := len(anna.maildrop()); got != keptMessages {
		t.Errorf("%d messages kept, want %d", got, keptMessages)
	}
	anna.deliver(make([]byte, keptBytes))
	if anna.bytes > keptBytes || store.Delivered() != 3*keptMessages {
		t.Errorf("%d bytes kept, %d delivered", anna.bytes, store.Delivered())
	}
}

func TestSeenIsBounded(t *testing.T) {
	node := &Node{}
	for i := range 3 * remembered {
		node.note(Session{Service: fmt.Sprint(i)})
	}
	seen := node.Seen()
	if len(seen) != remembered || seen[remembered-1].Service != fmt.Sprint(3*remembered-1) {
		t.Errorf("%d seen, the last one %v", len(seen), seen[len(seen)-1])
	}
}

// BenchmarkIdleNode is what one of a thousand nodes in a process costs before anybody comes.
func BenchmarkIdleNode(b *testing.B) {
	store := twoMessages()
	address := map[string]string{"smtp": "127.0.0.1:0", "imap": "127.0.0.1:0", "pop3": "127.0.0.1:0", "sieve": "127.0.0.1:0",
		"jmap-plain": "127.0.0.1:0", "webdav-plain": "127.0.0.1:0"}
	const count = 1024
	for b.Loop() {
		nodes := make([]*Node, count)
		memory, goroutines := inUse(), runtime.NumGoroutine()
		for i := range nodes {
			nodes[i] = &Node{Name: fmt.Sprint("node-", i), Store: store, Address: address}
			if err := nodes[i].Start(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(inUse()-memory)/count, "B/node")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/count, "goroutines/node")
		for _, n := range nodes {
			n.Kill()
		}
	}
}

// inUse is the memory of heap and stacks in bytes.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func BenchmarkSession(b *testing.B) {
	node, config := started(b, config.ProxyNone)
	for _, service := range []string{"smtp", "imap", "pop3", "sieve"} {
		b.Run(service, func(b *testing.B) {
			for b.Loop() {
				visit, err := Visitor{TLS: config}.Visit(b.Context(), service, node.Addr(service).String())
				if err != nil {
					b.Fatal(err)
				}
				if err := visit.Leave(); err != nil && err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
