package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// posthouse is a running `posthouse serve`.
type posthouse struct {
	path string // of its topology
	log  string // of its log, JSON lines

	process *exec.Cmd
	ended   chan struct{} // closed when it has ended
	err     error         // how; read after ended
}

// serve starts the binary in front of the servers and ends it with the test, by SIGTERM if the test has not.
func serve(t *testing.T, y interface {
	write(t *testing.T, path string)
}) *posthouse {
	t.Helper()
	dir := t.TempDir()
	p := &posthouse{path: filepath.Join(dir, "topology.yaml"), log: filepath.Join(dir, "log"), ended: make(chan struct{})}
	y.write(t, p.path)
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.process = exec.Command(binary, "serve", "--config", p.path, "--log-format", "json")
	p.process.Stdout, p.process.Stderr = log, log
	startWithTest(t, p.process)
	go func() { p.err = p.process.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.finish(t) })
	eventually(t, 10*time.Second, "ready", func() error {
		select {
		case <-p.ended:
			t.Fatalf("posthouse ended: %v\n%s", p.err, p.logged())
		default:
		}
		return p.ready("")
	})
	return p
}

// finish ends it, and shows the log of a test that failed. It has no sessions that it would have to wait for.
func (p *posthouse) finish(t *testing.T) {
	select {
	case <-p.ended:
	default:
		p.signal(t, syscall.SIGTERM)
		if err := p.wait(patience); err != nil {
			t.Errorf("SIGTERM: %v, want exit status 0", err)
		}
		p.signal(t, syscall.SIGKILL)
		<-p.ended
	}
	for _, trouble := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE"} { // the last where the binary is built with -race
		if _, after, found := strings.Cut(p.logged(), trouble); found {
			t.Errorf("posthouse: %s%s", trouble, after[:min(len(after), 4000)])
		}
	}
	if t.Failed() {
		t.Logf("log of posthouse, its end:\n%s", tail(p.logged(), 4000))
	}
}

func (p *posthouse) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.process.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

var errStays = errors.New("posthouse does not end")

// wait is until it has ended; the error is its exit status, or errStays.
func (p *posthouse) wait(within time.Duration) error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(within):
		return errStays
	}
}

func (p *posthouse) logged() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// records are the lines of its log with that message.
func (p *posthouse) records(message string) []map[string]any {
	var all []map[string]any
	for line := range bytes.Lines([]byte(p.logged())) {
		var record map[string]any
		if json.Unmarshal(line, &record) == nil && record["msg"] == message {
			all = append(all, record)
		}
	}
	return all
}

// api asks the admin API, over a connection for each request, so that none stays open.
var api = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

func (p *posthouse) get(path string) (status int, body string, err error) {
	r, err := api.Get("http://" + admin + path)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	return r.StatusCode, string(data), err
}

// ready is nil while /readyz says so; with a service, also that a node is usable for it.
func (p *posthouse) ready(service string) error {
	path := "/readyz"
	if service != "" {
		path += "?service=" + service
	}
	status, body, err := p.get(path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, status, body)
	}
	return err
}

// states is the probes' view: "d1 imaps" -> "up".
func (p *posthouse) states() (map[string]string, error) {
	_, body, err := p.get("/api/v1/nodes")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Nodes []struct {
			Name     string
			Services []struct{ Name, State string }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("%w in %s", err, body)
	}
	states := make(map[string]string)
	for _, n := range answer.Nodes {
		for _, s := range n.Services {
			states[n.Name+" "+s.Name] = s.State
		}
	}
	return states, nil
}

// are is nil when all these services of these nodes have that state.
func (p *posthouse) are(state string, nodes, services []string) error {
	states, err := p.states()
	if err != nil {
		return err
	}
	var others []string
	for _, n := range nodes {
		for _, s := range services {
			if got, ok := states[n+" "+s]; ok && got != state {
				others = append(others, fmt.Sprintf("%s %s is %s", n, s, got))
			}
		}
	}
	if len(others) > 0 {
		return fmt.Errorf("want %s, but %s", state, strings.Join(others, ", "))
	}
	return nil
}

// metric is the value of a metric, labels and all, as /metrics writes it.
func (p *posthouse) metric(series string) (float64, error) {
	_, body, err := p.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", series)
}

func tail(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}
