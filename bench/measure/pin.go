//go:build linux

package measure

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Cores are two that this process may use: the first for the server under test, the last for load and nodes. They are the same
// where there is only one.
func Cores() (server, load int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, fmt.Errorf("affinity: %w", err)
	}
	server = -1
	for core := range len(set) * 64 {
		if !set.IsSet(core) {
			continue
		}
		if server < 0 {
			server = core
		}
		load = core
	}
	return server, load, nil
}

// PinSelf keeps every thread of this process on one core, those that come later too: they inherit it. It looks again until it
// has found none that was made meanwhile.
func PinSelf(core int) error {
	seen := map[int]bool{}
	for before := -1; before != len(seen); {
		before = len(seen)
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			id, _ := strconv.Atoi(t.Name())
			if err := pin(id, core); err != nil && err != unix.ESRCH {
				return fmt.Errorf("affinity of thread %d: %w", id, err)
			}
			seen[id] = true
		}
	}
	return nil
}

func pin(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	return unix.SchedSetaffinity(thread, &set)
}

// startOn starts a command on a core: a child has the affinity of the thread that made it.
func startOn(cmd *exec.Cmd, core int) error {
	runtime.LockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := pin(0, core); err != nil {
		return err // the thread stays locked: nobody else is to run on it
	}
	err := cmd.Start()
	if unix.SchedSetaffinity(0, &before) == nil {
		runtime.UnlockOSThread()
	}
	return err
}
