package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// managed is a posthouse that a service manager has started: with a socket that it listens on for it, and one on which it is told
// how the process is.
type managed struct {
	t    *testing.T
	told *net.UnixConn
	cmd  *exec.Cmd
}

func manage(t *testing.T, notify string, passed *net.TCPListener, arguments ...string) *managed {
	t.Helper()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { told.Close() })
	file, err := passed.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, executable(t)}, arguments...)...)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=200000")
	cmd.ExtraFiles = []*os.File{file}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the process said\n%s", &log)
		}
	})
	return &managed{t, told, cmd}
}

// hear waits for a message that begins with a line, and returns it.
func (m *managed) hear(line string) string {
	m.t.Helper()
	m.told.SetReadDeadline(time.Now().Add(20 * time.Second))
	buffer := make([]byte, 1024)
	for {
		n, err := m.told.Read(buffer)
		if err != nil {
			m.t.Fatalf("waiting for %s: %v", line, err)
		}
		if text := string(buffer[:n]); strings.HasPrefix(text, line) {
			return text
		}
	}
}

// TestServiceManager starts the program as systemd does, on a socket of its, by both kinds of names of the other one.
func TestServiceManager(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@posthouse-test-" + filepath.Base(t.TempDir()) + freePort(t)} {
		s := newServed(t, 1)
		l, err := net.Listen("tcp", s.front) // binding it again would fail
		if err != nil {
			t.Fatal(err)
		}
		s.write(s.topology(1, ""))
		m := manage(t, name, l.(*net.TCPListener), "serve", "--config", s.path)
		l.Close()
		if ready := m.hear("READY=1"); !strings.Contains(ready, "STATUS=serving 1 nodes of mail.example.org") {
			t.Errorf("ready: %q", ready)
		}
		if greeting := s.greeting(); !strings.Contains(greeting, "node-1") {
			t.Errorf("greeted %q on the passed socket", greeting)
		}
		m.hear("WATCHDOG=1")
		m.cmd.Process.Signal(syscall.SIGHUP)
		if reloading := m.hear("RELOADING=1"); !strings.Contains(reloading, "\nMONOTONIC_USEC=") {
			t.Errorf("reloading: %q", reloading)
		}
		m.hear("READY=1")
		if err := os.Remove(s.path); err != nil {
			t.Fatal(err)
		}
		m.cmd.Process.Signal(syscall.SIGHUP) // nothing to be read is an end of the reload, too
		m.hear("RELOADING=1")
		m.hear("READY=1")
		m.cmd.Process.Signal(syscall.SIGTERM)
		if stopping := m.hear("STOPPING=1"); !strings.Contains(stopping, "EXTEND_TIMEOUT_USEC=12000000") {
			t.Errorf("stopping: %q", stopping)
		}
		if err := m.cmd.Wait(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
}

// What is passed for another process is none of ours.
func TestPassedToSomebodyElse(t *testing.T) {
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_PID", "1")
	if all, err := passedListeners(); len(all) > 0 || err != nil {
		t.Errorf("passedListeners = %v, %v", all, err)
	}
	if os.Getenv("LISTEN_FDS") != "" {
		t.Error("children would believe that the sockets are theirs")
	}
}

// What was made for a process a client (Accept=yes) is refused: accepting there would fail for ever.
func TestPassedConnection(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	file, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	passed, err := syscall.Dup(int(file.Fd())) // listenerOf closes it
	if err != nil {
		t.Fatal(err)
	}
	if got, err := listenerOf(passed); err == nil || !strings.Contains(err.Error(), "Accept=no") {
		t.Errorf("listenerOf(a connection) = %v, %v", got, err)
	}
}

// TestUnits: systemd understands the units, and the command in them.
func TestUnits(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no systemd-analyze here")
	}
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	posthouse := filepath.Join(dir, "posthouse")
	if err := os.Symlink(program, posthouse); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"posthouse.service", "posthouse.socket"} {
		unit, err := os.ReadFile("../../dist/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(unit), "/usr/local/bin/posthouse", posthouse, 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, command, ok := strings.Cut(text, "\nExecStart="+posthouse+" "); ok {
			command, _, _ = strings.Cut(command, "\n")
			checkCommand(t, strings.Fields(command))
		}
	}
	out, err := exec.Command(verify, "verify", "--man=no", filepath.Join(dir, "posthouse.service"), filepath.Join(dir, "posthouse.socket")).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "posthouse.") {
			t.Errorf("systemd-analyze: %s", line)
		}
	}
	if err != nil && len(out) == 0 {
		t.Errorf("systemd-analyze: %v", err)
	}
}

// checkCommand runs a command line whose file is not there: it must come as far as that.
func checkCommand(t *testing.T, arguments []string) {
	t.Helper()
	var said bytes.Buffer
	arguments[len(arguments)-1] = filepath.Join(t.TempDir(), "none.yaml")
	if exit := run(arguments, console{io.Discard, &said}); exit != exitNo || !strings.Contains(said.String(), "no such file") {
		t.Errorf("%v = %d %s", arguments, exit, &said)
	}
}
