package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// crowd is live IMAP sessions: half in plain text and IDLE, half in TLS and with a NOOP every second.
type crowd struct {
	ending  chan struct{}
	members sync.WaitGroup

	mu     sync.Mutex // guards the following
	failed []error
}

// gather logs n sessions in, some at a time, and returns when all are live.
func gather(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{ending: make(chan struct{})}
	trust := trusted(t)
	live, turns := make(chan struct{}, n), make(chan struct{}, 20)
	for i := range n {
		c.members.Go(func() {
			turns <- struct{}{}
			m, err := login(i, trust)
			<-turns
			c.note(i, err)
			live <- struct{}{}
			if err == nil {
				c.note(i, m.stay(c.ending))
			}
		})
	}
	t.Cleanup(func() { c.leave() })
	late := time.After(time.Minute)
	for i := range n {
		select {
		case <-live:
		case <-late:
			t.Fatalf("%d of %d sessions logged in within a minute", i, n)
		}
	}
	if failed := c.failures(); len(failed) > 0 {
		t.Fatalf("%d sessions did not even begin: %v", len(failed), failed[0])
	}
	return c
}

// note keeps what went wrong in a session.
func (c *crowd) note(session int, err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, fmt.Errorf("session %d: %w", session, err))
}

func (c *crowd) failures() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// leave ends all sessions politely and gives what went wrong in any of them.
func (c *crowd) leave() []error {
	select {
	case <-c.ending:
	default:
		close(c.ending)
	}
	c.members.Wait()
	return c.failures()
}

// member is one of the crowd.
type member struct {
	conn net.Conn
	read *bufio.Reader
	idle bool
}

func login(i int, trust *tls.Config) (*member, error) {
	service := []string{"imap", "imaps"}[i%2]
	conn, err := net.DialTimeout("tcp", at(service), patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	if service == "imaps" {
		conn = tls.Client(conn, trust)
	}
	m := &member{conn, bufio.NewReader(conn), service == "imap"}
	_, err = until(m.read, "* OK ")
	for _, step := range [][2]string{{fmt.Sprintf("a LOGIN u%d secret", 1+i%50), "a OK"}, {"b SELECT INBOX", "b OK"}} {
		if err == nil {
			err = m.ask(step[0], step[1])
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return m, nil
}

func (m *member) ask(line, answer string) error {
	if _, err := fmt.Fprintf(m.conn, "%s\r\n", line); err != nil {
		return err
	}
	_, err := until(m.read, answer)
	return err
}

// stay is the live session until ending is closed, then its polite end.
func (m *member) stay(ending chan struct{}) error {
	defer m.conn.Close()
	if m.idle {
		if err := m.ask("c IDLE", "+ "); err != nil {
			return err
		}
		<-ending
		if err := m.ask("DONE", "c OK"); err != nil {
			return fmt.Errorf("in IDLE: %w", err)
		}
		return m.ask("z LOGOUT", "z OK")
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := m.ask("d NOOP", "d OK"); err != nil {
			return fmt.Errorf("NOOP: %w", err)
		}
		select {
		case <-ending:
			return m.ask("z LOGOUT", "z OK")
		case <-tick.C:
		}
	}
}
