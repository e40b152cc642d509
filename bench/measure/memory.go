//go:build linux

package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// PSS is the memory of processes in bytes: resident pages, those that they share with each other counted once.
func PSS(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		kib, ok := field(rollup, "Pss:")
		if !ok {
			return 0, fmt.Errorf("process %d has no Pss", pid)
		}
		sum += kib << 10
	}
	return sum, nil
}

// Peak is the most memory that processes have held since they started, in bytes: pages that they share are counted for each.
func Peak(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		kib, ok := field(status, "VmHWM:")
		if !ok {
			return 0, fmt.Errorf("process %d has no VmHWM", pid)
		}
		sum += kib << 10
	}
	return sum, nil
}

// KernelMemory is what the kernel of the whole machine holds for processes and sockets, in bytes: objects in slabs, stacks of threads,
// page tables and what is in the buffers of TCP sockets. Whatever else happens on the machine moves it, so it is for differences over
// thousands of connections.
func KernelMemory() (int64, error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	sum, err := SlabMemory()
	if err != nil {
		return 0, err
	}
	for _, name := range []string{"KernelStack:", "PageTables:"} {
		kib, ok := field(info, name)
		if !ok {
			return 0, fmt.Errorf("/proc/meminfo has no %s", name)
		}
		sum += kib << 10
	}
	buffers, err := socketBuffers()
	return sum + buffers, err
}

// socketBuffers is what is in the buffers of all TCP sockets of the machine, in bytes of memory.
func socketBuffers() (int64, error) {
	pages, err := sockets(" mem")
	return pages * int64(os.Getpagesize()), err
}

// timeWaits is how many connections that are over the kernel still remembers (RFC 9293, 3.6.1): an object or two each, until a minute later.
func timeWaits() (int64, error) { return sockets(" tw") }

// timeWaitTime is longer than the kernel remembers any: TCP_TIMEWAIT_LEN is 60 s.
const timeWaitTime = 65 * time.Second

// AwaitTimeWaits returns when no more than most are left of those that other work has left behind: else they would go, and their memory
// with them, while something else is measured.
func AwaitTimeWaits(most int64) error {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		n, err := timeWaits()
		if err != nil || n <= most {
			return err
		}
		if time.Since(began) > timeWaitTime {
			return fmt.Errorf("%d connections in TIME_WAIT, and still new ones: something else is busy on this machine", n)
		}
	}
}

// sockets is a figure about all TCP sockets.
func sockets(name string) (int64, error) {
	stat, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, err
	}
	n, ok := field(stat, name)
	if !ok {
		return 0, fmt.Errorf("/proc/net/sockstat has no%s", name)
	}
	return n, nil
}

// field is the number behind the first occurrence of a name.
func field(text []byte, name string) (int64, bool) {
	_, rest, ok := bytes.Cut(text, []byte(name))
	if !ok {
		return 0, false
	}
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return n, err == nil
}
