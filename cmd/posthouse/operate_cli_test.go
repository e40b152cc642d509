package main

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// ph runs a command against the balancer's admin API.
func (s *served) ph(args ...string) (code int, out, errors string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(append(args, "--admin", s.admin), console{&stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

// must runs a command that succeeds and says what a pattern has.
func (s *served) must(pattern string, args ...string) string {
	s.t.Helper()
	code, out, errors := s.ph(args...)
	if code != exitFine || !regexp.MustCompile(pattern).MatchString(out) {
		s.t.Fatalf("posthouse %q = %d: %s%s, want %s", args, code, out, errors, pattern)
	}
	return out
}

// TestOperateByCommands drives a running balancer with sessions by the commands alone.
func TestOperateByCommands(t *testing.T) {
	s := newServed(t, 2)
	s.write(s.topology(2, ""))
	s.start()
	poll(t, "both nodes to be up", func() bool {
		_, out, _ := s.ph("status")
		return strings.Contains(out, "2 of 2") && strings.Contains(out, "2 nodes wholly up")
	})
	for range 8 {
		s.reach()
	}
	s.must(`(?m)^imap +active +8 +2 of 2 +default 2/2 gets 100 %$`, "status")

	s.must(`^node node-1: ended after \S+: 0 left by themselves, \d closed quiet, \d cut\n$`, "drain", "node", "node-1", "--within", "50ms", "--reason", "new kernel")
	s.must(`(?m)^node-1 +default +drain +0 +imap drain`, "status")
	s.must(`(?m)^1\. +node-2 `, "explain", "--live", "--client", "127.0.0.1", "--service", "imap")
	s.must(`(?m)^nodes +left out: node-1 \(drain\)$`, "explain", "--live", "--client", "127.0.0.1", "--service", "imap")
	s.must(`^node node-1 is active\n$`, "resume", "node", "node-1")
	s.must(`there was no mark to take back`, "resume", "node", "node-1")

	s.must(`^node node-1 has the weight 3\n$`, "weigh", "node-1", "3")
	s.must(`default 4/4`, "status")
	s.must(`^node node-1 has the weight of the file again\n$`, "weigh", "node-1", "--undo")
	s.must(`default 2/2`, "status")

	s.must(`^\d+ sessions? ended\n$`, "kill", "--node", "node-2")
	poll(t, "the sessions to end", func() bool {
		_, out, _ := s.ph("status", "--all")
		return regexp.MustCompile(`(?m)^node-2 +default +active +0`).MatchString(out)
	})

	s.must(`^127.0.0.0/8 is denied until \S+; 0 sessions ended\n$`, "deny", "127.0.0.0/8", "--for", "1h", "--kill", "--reason", "spraying")
	s.must(`(?m)^127.0.0.0/8 +\S+ +127.0.0.1 +spraying$`, "deny")
	if code, out, _ := s.ph("explain", "--live", "--client", "127.0.0.9", "--service", "imap"); code != exitNo || !strings.Contains(out, "an operator has denied it") {
		t.Errorf("explain of a denied client = %d: %s", code, out)
	}
	s.must(`^127.0.0.0/8 may come again\n$`, "deny", "127.0.0.0/8", "--lift")
	s.must(`^nobody is denied\n$`, "deny")
	s.must(`^applied\n$`, "reload")
	s.write("cluster: mail.example.org\nnodse: []\n")
	if code, _, errors := s.ph("reload"); code != exitNo || !strings.Contains(errors, "refused: ") || !strings.Contains(errors, "nodse") {
		t.Errorf("reload of a bad file = %d: %s", code, errors)
	}
	var now statusNow
	if err := json.Unmarshal([]byte(s.must("", "status", "--json")), &now); err != nil || len(now.Services) == 0 || len(now.Nodes) != 2 {
		t.Errorf("status --json: %+v, %v", now, err)
	}
}

// What the balancer refuses is said in its words, with exit 1.
func TestOperateRefusals(t *testing.T) {
	s := newServed(t, 1)
	s.write(s.topology(1, ""))
	s.start()
	for _, c := range []struct {
		args string
		want string
	}{
		{"drain node node-7", `no node "node-7"`},
		{"drain node", "say what"},
		{"drain process node-1", "say what"},
		{"resume region eu", `no region "eu"`},
		{"weigh node-7 1", `no node "node-7"`},
		{"weigh node-1", "say a weight, or --undo"},
		{"weigh node-1 3 --undo", "say a weight, or --undo"},
		{"weigh node-1 100000000", "from 0 to"},
		{"weigh node-1 1 --service smtp", `does not run "smtp"`},
		{"weigh --service imap", "say which node"},
		{"kill", "say which sessions"},
		{"kill --client nobody", "want an address or a network"},
		{"deny 0.0.0.0/0", "too wide"},
		{"deny --lift", "say whom"},
		{"deny 192.0.2.0/24 --lift", "is not denied"},
		{"explain --live", "--client is missing"},
		{"explain --live --client 192.0.2.1 --down node-1", "are for files"},
		{"explain --live --client 192.0.2.1 --service imapz", `no service "imapz"`},
	} {
		code, _, errors := s.ph(strings.Fields(c.args)...)
		if code != exitNo || !strings.Contains(errors, c.want) {
			t.Errorf("posthouse %s = %d: %s, want %s", c.args, code, errors, c.want)
		}
	}
}

func TestBaseURL(t *testing.T) {
	for at, want := range map[string]string{
		"127.0.0.1:9070": "http://127.0.0.1:9070", "localhost:9070": "http://localhost:9070", "[::1]:9070": "http://[::1]:9070",
		"balancer.example.net:9070": "https://balancer.example.net:9070", "https://b.example/": "https://b.example", "http://192.0.2.1:1": "http://192.0.2.1:1",
		"ftp://a": "", "": "",
	} {
		got, err := baseURL(at)
		if (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("baseURL(%q) = %q, %v, want %q", at, got, err, want)
		}
	}
}

func TestLegible(t *testing.T) {
	if got := legible("a\x1b[2Jb\r\nc\u0085é"); got != "a?[2Jb??c?é" {
		t.Errorf("legible = %q", got)
	}
}

// frames counts what is written and ends a watch at the second one.
type frames struct {
	text bytes.Buffer
	n    int
	stop func()
}

func (f *frames) Write(b []byte) (int, error) {
	if f.n++; f.n == 2 {
		f.stop()
	}
	return f.text.Write(b)
}

func TestStatusWatch(t *testing.T) {
	s := newServed(t, 1)
	s.write(s.topology(1, ""))
	s.start()
	cmd := statusCmd{JSON: true, adminFlags: adminFlags{Admin: s.admin}}
	client, err := cmd.client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.close()
	ctx, stop := context.WithCancel(t.Context())
	out := &frames{stop: stop}
	if err := cmd.watch(ctx, client, console{out, out}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.text.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `{"services":[`) || !strings.HasPrefix(lines[1], `{"services":[`) {
		t.Errorf("two frames are %q", lines)
	}
}

// An interrupt ends the showing of a drain; the drain goes on until its time is over or somebody resumes.
func TestDrainInterrupted(t *testing.T) {
	s := newServed(t, 1)
	s.write(s.topology(1, ""))
	s.start()
	s.reach()
	code, text, errors := s.ph("drain", "node", "node-1", "--within", "1h", "--detach", "--json")
	var begun drained
	if err := json.Unmarshal([]byte(text), &begun); code != exitFine || err != nil || begun.State != drainRunning {
		t.Fatalf("drain --detach --json = %d: %s%s, %v", code, text, errors, err)
	}
	cmd := drainCmd{Kind: "node", Name: "node-1", adminFlags: adminFlags{Admin: s.admin}}
	client, err := cmd.client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out bytes.Buffer
	if err := cmd.follow(ctx, client, console{&out, &out}, begun); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "the drain goes on") || !strings.Contains(got, "posthouse resume node node-1 stops it") {
		t.Errorf("interrupted: %q", got)
	}
	s.must(`node node-1 drains within 1h0m0s: \d of \d sessions are left`, "status")
	s.must(`^node node-1 is active\n$`, "resume", "node", "node-1")
}
