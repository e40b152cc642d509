//go:build linux

package measure

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Process is a server under test, with the processes that it has started.
type Process struct {
	Name string
	Log  string // path of what it has printed

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// stopTime is how long a server has to end when told to; longer than any drain that the benchmarks configure.
const stopTime = 10 * time.Second

// Start starts a server on a core. What it prints goes to the file log. It is told to end when this process does.
func Start(name string, core int, log string, command ...string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &Process{Name: name, Log: log, cmd: exec.Command(command[0], command[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := startOn(p.cmd, core); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Ended says whether the server has ended, and with what it said if it did.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		said, _ := os.ReadFile(p.Log)
		return fmt.Errorf("%s has ended: %s", p.Name, bytes.TrimSpace(said))
	default:
		return nil
	}
}

// Stop tells the server to end, and ends it if it does not.
func (p *Process) Stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // its process group: a worker without its master
	<-p.done
}

// PID is the first process of the server.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// PIDs are all processes of the server: it and its descendants.
func (p *Process) PIDs() []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			children[parent(pid)] = append(children[parent(pid)], pid)
		}
	}
	all := []int{p.PID()}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// parent is field 4 of /proc/PID/stat; field 2, the name, is in brackets and may have spaces. 0: no such process.
func parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(string(fields[1]))
	return ppid
}
