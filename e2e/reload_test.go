package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestReload changes the topology a hundred times under five hundred live sessions and a stream of mail: none is lost,
// and each change is in effect.
func TestReload(t *testing.T) {
	const sessions, reloads = 500, 100
	o := begin(t)
	p := serve(t, topology{proxy: "v2"})
	eventually(t, 15*time.Second, "all up", func() error { return p.are("up", everybody, services()) })
	before := held(t, p)
	began := time.Now()
	crowd := gather(t, sessions)
	gathered := time.Since(began)
	mail := startMail()

	began = time.Now()
	applied := 0
	takenUp := func() {
		t.Helper()
		applied++
		eventually(t, patience, "reload", func() error { return inEffect(p, applied) })
	}
	for n := range reloads {
		y := variant(n)
		y.write(t, p.path)
		takenUp()
		if extra := y.more["imap"]; extra != "" {
			greeted(t, extra)
		}
		if n == reloads/2 {
			p.signal(t, syscall.SIGHUP) // takes the same content again
			takenUp()
		}
	}
	took := time.Since(began)

	if err := errors.Join(crowd.leave()...); err != nil {
		t.Error(err)
	}
	sent, err := mail()
	if err != nil {
		t.Errorf("mail during the reloads: %v", err)
	}
	// The last topology has hardly more listeners than the first: what is held beyond the probes' workers, which come as
	// they are needed and stay, has leaked.
	eventually(t, 10*time.Second, "everything let go", func() error {
		if now := held(t, p); now.files > before.files+20 || now.goroutines > before.goroutines+60 {
			return fmt.Errorf("%+v now, %+v before", now, before)
		}
		return nil
	})
	o.fact(t, "%d sessions (logged in within %v) and %d mails outlived %d reloads in %v",
		sessions, gathered.Round(10*time.Millisecond), sent, reloads, took.Round(10*time.Millisecond))
}

// holding is what a process has open.
type holding struct{ files, goroutines float64 }

func held(t *testing.T, p *posthouse) (h holding) {
	t.Helper()
	for series, value := range map[string]*float64{"process_open_fds": &h.files, "go_goroutines": &h.goroutines} {
		var err error
		if *value, err = p.metric(series); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// variant is the n-th topology: each differs from the one before in more than one way.
func variant(n int) topology {
	y := topology{
		proxy:   "v2",
		weights: map[string]int{"d1": 1 + n%5, "d2": 1 + n%3, "p1": 1 + n%2},
		keys: map[string]string{
			"imap":  fmt.Sprintf("balance: %s", []string{"least-sessions", "round-robin", "random", "client-hash"}[n%4]),
			"imaps": fmt.Sprintf("attempts: %d, timeouts: {hedge: %dms}", 2+n%3, 500+n),
		},
	}
	switch n % 4 {
	case 1: // a node goes; its sessions stay
		y.without = []string{"d3"}
	case 2: // a listener comes
		y.more = map[string]string{"imap": fmt.Sprintf("%s:%d", front, 5000+n)}
	case 3: // and another in its place
		y.more = map[string]string{"imap": fmt.Sprintf("%s:%d", front, 5000+n), "pop3": fmt.Sprintf("%s:%d", front, 6000)}
		y.without = []string{"p2"}
	}
	return y
}

func inEffect(p *posthouse, want int) error {
	applied, err := p.metric(`posthouse_reloads_total{result="applied"}`)
	if err == nil && int(applied) != want {
		err = fmt.Errorf("%v applied, want %d", applied, want)
	}
	return err
}

// greeted is that a listener takes sessions.
func greeted(t *testing.T, address string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := until(bufio.NewReader(conn), "* OK "); err != nil {
		t.Errorf("%s: %v", address, err)
	}
}

// startMail sends mail after mail by smtp-source until the function that it gives is called.
func startMail() (stop func() (sent int, err error)) {
	const batch = 50
	var (
		ending = make(chan struct{})
		done   = make(chan struct{})
		sent   int
		failed error
	)
	go func() {
		defer close(done)
		for failed == nil {
			select {
			case <-ending:
				return
			default:
			}
			_, failed = command("", "/usr/sbin/smtp-source", "-s", "2", "-m", fmt.Sprint(batch), "-l", "2000",
				"-f", "a@example.test", "-t", sink, "inet:"+at("smtp"))
			sent += batch
		}
	}()
	return func() (int, error) { close(ending); <-done; return sent, failed }
}
