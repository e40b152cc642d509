package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// cluster is the servers as the script servers runs them.
type cluster struct{ dir string }

// The instances; a Postfix authenticates by the Dovecot of its number, so they fail in pairs.
var (
	dovecots  = []string{"d1", "d2", "d3"}
	postfixes = []string{"p1", "p2"}
	everybody = slices.Concat(dovecots, postfixes) // of the mail services
	cyruses   = []string{"c1", "c2"}
	apaches   = []string{"a1", "a2"}
	web       = slices.Concat(cyruses, apaches)
	logging   = slices.Concat(everybody, apaches)
)

// do runs a command of the script: up, down, start, kill9, stop, cont.
func (c cluster) do(command string, instances ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args := append([]string{"./servers", command, c.dir}, instances...)
	out, err := exec.CommandContext(ctx, "bash", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("servers %s %v: %w\n%s", command, instances, err, out)
	}
	return nil
}

// must is do for tests.
func (c cluster) must(t *testing.T, command string, instances ...string) {
	t.Helper()
	if err := c.do(command, instances...); err != nil {
		t.Fatal(err)
	}
}

// restoreAfter brings the instances, or all of mail, back when the test ends, whatever it did to them.
func (c cluster) restoreAfter(t *testing.T, instances ...string) {
	if len(instances) == 0 {
		instances = everybody
	}
	t.Cleanup(func() {
		for _, command := range []string{"cont", "start"} {
			if err := c.do(command, instances...); err != nil {
				t.Error(err)
			}
		}
	})
}

func (c cluster) ca() string { return filepath.Join(c.dir, "tls", "ca.crt") }

// logs is what instances wrote since a mark.
type logs struct {
	c     cluster
	sizes map[string]int64
}

// mark begins to read the logs of all instances from where they are now.
func (c cluster) mark() logs {
	l := logs{c, make(map[string]int64)}
	for _, name := range logging {
		if info, err := os.Stat(c.log(name)); err == nil {
			l.sizes[name] = info.Size()
		}
	}
	return l
}

func (c cluster) log(instance string) string { return filepath.Join(c.dir, instance, "log") }

// any says whether an instance has written a line since the mark that matches.
func (l logs) any(match func(line string) bool) bool {
	for _, name := range logging {
		data, err := os.ReadFile(l.c.log(name))
		if err != nil || int64(len(data)) < l.sizes[name] {
			continue
		}
		for line := range bytes.Lines(data[l.sizes[name]:]) {
			if match(string(line)) {
				return true
			}
		}
	}
	return false
}

// eventually polls until check gives nil; its last error fails the test.
func eventually(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Since(began) > within {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		<-tick.C
	}
}
