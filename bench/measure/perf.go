//go:build linux

package measure

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Profile lets Linux perf watch processes until ctx ends, and writes what it saw to file: perf.data, for `perf report -i`.
func Profile(ctx context.Context, pids []int, file string) error {
	list := make([]string, len(pids))
	for i, pid := range pids {
		list[i] = strconv.Itoa(pid)
	}
	// The clock event works in virtual machines without counters; the frequency is no divisor of the kernel's tick.
	cmd := exec.CommandContext(ctx, "perf", "record", "-q", "-e", "cpu-clock", "-F", "2999", "-g", "-p", strings.Join(list, ","), "-o", file)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	said, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("perf record: %w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}

// Hottest are the lines of a profile, the most expensive first: by the function itself, or with all that it calls.
func Hottest(file string, withCalled bool, lines int) ([]string, error) {
	children := "--no-children"
	if withCalled {
		children = "--children"
	}
	out, err := exec.Command("perf", "report", "-i", file, children, "--stdio", "-g", "none", "--no-demangle", "--percent-limit", "0.2",
		"-F", map[bool]string{true: "overhead_children,overhead,sym", false: "overhead,sym"}[withCalled]).Output()
	if err != nil {
		return nil, fmt.Errorf("perf report: %w", err)
	}
	var kept []string
	for _, l := range strings.Split(string(out), "\n") {
		if l = strings.TrimRight(l, " "); l != "" && !strings.HasPrefix(l, "#") && len(kept) < lines {
			kept = append(kept, l)
		}
	}
	return kept, nil
}
