//go:build linux

package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
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

// KernelMemory is what the kernel of the whole machine holds for processes and sockets, in bytes: slabs, stacks of threads, page
// tables and what is in the buffers of TCP sockets. Whatever else happens on the machine moves it by some 100 KiB, so it is for
// differences over thousands of connections.
func KernelMemory() (int64, error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, name := range []string{"Slab:", "KernelStack:", "PageTables:"} {
		kib, ok := field(info, name)
		if !ok {
			return 0, fmt.Errorf("/proc/meminfo has no %s", name)
		}
		sum += kib << 10
	}
	sockets, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, err
	}
	pages, _ := field(sockets, " mem")
	return sum + pages*int64(os.Getpagesize()), nil
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
