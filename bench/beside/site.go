//go:build linux

package beside

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"posthouse/bench/measure"
)

// Site is where the servers run: a directory, a core for them, and another one for the load, which is this process.
type Site struct {
	Options
	Dir                  string // of configurations and logs, for the time of the run
	Posthouse            string // the binary
	ServerCore, LoadCore int
	Files                int // descriptors that each process may have

	machine string // before there was any load
}

// open makes a place to work with no more than so many descriptors, builds the binary, and moves this process to its core.
func open(o Options, files int) (*Site, error) {
	s := &Site{Options: o, Posthouse: o.Binary, machine: measure.Machine()}
	var err error
	if s.Files, err = raiseLimit(files); err != nil {
		return nil, err
	}
	if s.Dir, err = os.MkdirTemp("", "posthouse-bench-"); err != nil {
		return nil, err
	}
	if err := s.settle(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Site) settle() (err error) {
	if err := os.Chmod(s.Dir, 0o755); err != nil { // nginx's worker is another user
		return err
	}
	if s.Posthouse == "" { // built on all cores
		if s.Posthouse, err = s.Build("posthouse"); err != nil {
			return err
		}
	}
	if s.ServerCore, s.LoadCore, err = measure.Cores(); err != nil {
		return err
	}
	runtime.GOMAXPROCS(4) // the loop keeps one while it waits, and what else there is needs others
	return measure.PinSelf(s.LoadCore)
}

// raiseLimit lets this process have many descriptors, and so its children.
func raiseLimit(most int) (files int, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	if limit.Max < uint64(most) {
		higher := syscall.Rlimit{Cur: uint64(most), Max: uint64(most)} // which only the mighty may have
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
			return most, nil
		}
	}
	limit.Cur = min(limit.Max, uint64(most))
	return int(limit.Cur), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// Build makes the binary of the tree as it is, with its symbols, for profiles.
func (s *Site) Build(name string, flags ...string) (path string, err error) {
	path = filepath.Join(s.Dir, name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "posthouse/cmd/posthouse")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
}

func (s *Site) close() { os.RemoveAll(s.Dir) }
