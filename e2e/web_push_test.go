package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// pushNodes are two small nodes of Node.js: Debian's Cyrus has neither of what they serve, EventSource nor WebSocket.
const pushNodes = `  - {name: n1, address: 127.0.1.10, services: [jmap], weight: %d}
  - {name: n2, address: 127.0.1.11, services: [jmap], weight: %d}
`

// TestWebPush is EventSource and WebSocket clients through ten reloads, one of which keeps new clients from all their nodes: no event is lost or held back, and no stream ends before its node ends it.
func TestWebPush(t *testing.T) {
	const each, reloads = 3, 10
	o := beginNPM(t)
	var nodes []*program
	for _, address := range []string{"127.0.1.10", "127.0.1.11"} {
		n := launch(t, "push-node.mjs", address, filepath.Join(servers.dir, "tls", "c1.crt"), filepath.Join(servers.dir, "tls", "c1.key"))
		n.wait(t, "ready", 1)
		nodes = append(nodes, n)
	}
	for _, mode := range []string{"none", "terminate", "reencrypt"} {
		t.Run(mode, func(t *testing.T) {
			y := webTopology{tls: mode, nodes: fmt.Sprintf(pushNodes, 1, 1)}
			p := serve(t, y)
			eventually(t, patience, "all up", func() error { return p.are("up", []string{"n1", "n2"}, y.names()) })
			var streams, sockets []*program
			for range each {
				streams = append(streams, launch(t, "events.mjs", y.base()+"/jmap/eventsource/?types=*"))
				sockets = append(sockets, launch(t, "socket.mjs", strings.Replace(y.base(), "http", "ws", 1)+"/jmap/ws"))
			}
			heard := func(n int) {
				t.Helper()
				var all []func()
				for i := range each {
					all = append(all, streams[i].more(t, "event ", n), sockets[i].more(t, "echo ", n))
				}
				for _, wait := range all {
					wait()
				}
			}
			heard(3)
			for n := range reloads {
				y.nodes = fmt.Sprintf(pushNodes, 2+n%3, 1)
				if n == reloads/2 {
					y.nodes = strings.ReplaceAll(y.nodes, "}", ", state: drain}")
				}
				y.write(t, p.path)
				eventually(t, patience, "reload", func() error { return inEffect(p, n+1) })
				heard(2)
			}
			for _, n := range nodes {
				n.say(t)
			}
			events, echoes := 0, 0
			for i := range each {
				streams[i].end(t)
				events += requireNoGap(t, streams[i], "event ")
				sockets[i].say(t)
				sockets[i].end(t)
				sockets[i].wait(t, "close 1000 done", 1)
				echoes += requireNoGap(t, sockets[i], "echo ")
			}
			o.fact(t, "tls: %s: %d event streams with %d events and %d WebSockets with %d echoes outlived %d reloads",
				mode, each, events, each, echoes, reloads)
		})
	}
}

// requireNoGap is that the numbers in these lines count up by one; it gives how many there are.
func requireNoGap(t *testing.T, p *program, prefix string) int {
	t.Helper()
	last, n := -1, 0
	for _, line := range p.lines() {
		number, ok := strings.CutPrefix(line, prefix)
		if !ok {
			continue
		}
		got, err := strconv.Atoi(number)
		if err != nil || last >= 0 && got != last+1 {
			t.Errorf("%s: after %d comes %q", p.name, last, line)
		}
		last = got
		n++
	}
	return n
}

// program is one of clients/ that runs beside the test.
type program struct {
	name  string
	stdin io.Writer
	ended chan struct{}

	mu  sync.Mutex // guards the following
	out []string   // the lines that it has printed
	err error
}

// launch starts a program of clients/, which ends with the test.
func launch(t *testing.T, script string, args ...string) *program {
	t.Helper()
	cmd := exec.Command("node", append([]string{nodeScript(t, script)}, args...)...)
	cmd.Env = append(cmd.Environ(), "NODE_EXTRA_CA_CERTS="+servers.ca())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	p := &program{name: script, stdin: in, ended: make(chan struct{})}
	startWithTest(t, cmd)
	go p.listen(cmd, out)
	t.Cleanup(func() { cmd.Process.Kill(); <-p.ended })
	return p
}

func (p *program) listen(cmd *exec.Cmd, out io.Reader) {
	defer close(p.ended)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.mu.Lock()
		p.out = append(p.out, lines.Text())
		p.mu.Unlock()
	}
	err := cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// say gives it a line.
func (p *program) say(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		t.Error(err)
	}
}

// end waits until it has ended well.
func (p *program) end(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s does not end: %q", p.name, p.tail())
	}
	if p.err != nil {
		t.Errorf("%s: %v: %q", p.name, p.err, p.tail())
	}
}

func (p *program) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out[:len(p.out):len(p.out)]
}

func (p *program) tail() []string { all := p.lines(); return all[max(0, len(all)-5):] }

func (p *program) count(prefix string) int {
	n := 0
	for _, line := range p.lines() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// more waits, when it is called, until the program has printed n more of these lines than now.
func (p *program) more(t *testing.T, prefix string, n int) func() {
	want := p.count(prefix) + n
	return func() { t.Helper(); p.wait(t, prefix, want) }
}

// wait is until it has printed n lines that begin so.
func (p *program) wait(t *testing.T, prefix string, n int) {
	t.Helper()
	eventually(t, 10*time.Second, p.name, func() error {
		if got := p.count(prefix); got < n {
			return fmt.Errorf("%d lines %q of %d: %q", got, prefix, n, p.tail())
		}
		return nil
	})
}
