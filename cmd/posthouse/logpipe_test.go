package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// executable is this test's binary by the name by which it is posthouse.
func executable(t *testing.T) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	posthouse := filepath.Join(t.TempDir(), "posthouse")
	if err := os.Symlink(binary, posthouse); err != nil {
		t.Fatal(err)
	}
	return posthouse
}

// logTo starts a serve of one node in a process of its own, whose log goes into a pipe.
func (s *served) logTo(pipe *os.File) *exec.Cmd {
	s.t.Helper()
	s.write(s.topology(1, ""))
	serve := exec.Command(executable(s.t), "serve", "--config", s.path, "--log-level", "debug")
	serve.Stderr = pipe
	if err := serve.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		serve.Process.Kill()
		serve.Wait()
	})
	return serve
}

// TestLogReaderGone: mail goes on when the process that takes the log is gone, and the end is a good one.
func TestLogReaderGone(t *testing.T) {
	s := newServed(t, 1)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out.Close()
	serve := s.logTo(in)
	poll(t, "a session", func() bool { return s.greeting() != "" })
	serve.Process.Signal(syscall.SIGTERM)
	if err := serve.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestLogReaderStopped: mail goes on when nobody takes the log, and SIGTERM ends the process.
func TestLogReaderStopped(t *testing.T) {
	s := newServed(t, 1)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close()
	fillPipe(t, in)
	serve := s.logTo(in)
	poll(t, "a session", func() bool { return s.greeting() != "" })
	serve.Process.Signal(syscall.SIGTERM)
	if err := serve.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// fillPipe writes into a pipe until it takes no more.
func fillPipe(t *testing.T, in *os.File) {
	t.Helper()
	raw, err := in.SyscallConn()
	if err == nil {
		err = raw.Write(func(fd uintptr) bool {
			for full := false; !full; {
				_, err := syscall.Write(int(fd), make([]byte, 4096))
				full = err != nil
			}
			return true
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}
