//go:build linux

package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queues is the memory of what waits in the sockets and pipes of processes. No slab has it.
func Queues(pids []int) (int64, error) {
	var sum int64
	seen := map[string]bool{} // a pipe has two ends, and processes share files
	for _, pid := range pids {
		n, err := queues(pid, seen)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		sum += n
	}
	return sum, nil
}

func queues(pid int, seen map[string]bool) (sum int64, err error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(process)
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		name, _ := os.Readlink(filepath.Join(dir, f.Name()))
		kind, _, _ := strings.Cut(name, ":")
		waits := map[string]func(fd int) (int64, error){"pipe": inPipe, "socket": inSocket}[kind]
		if waits == nil || seen[name] {
			continue
		}
		seen[name] = true
		n, err := ofFile(process, f.Name(), waits)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum += n
	}
	return sum, nil
}

// ofFile asks something of a file of another process.
func ofFile(process int, number string, ask func(fd int) (int64, error)) (int64, error) {
	var theirs int
	if _, err := fmt.Sscan(number, &theirs); err != nil {
		return 0, err
	}
	fd, err := unix.PidfdGetfd(process, theirs, 0)
	switch err {
	case nil:
	case unix.EBADF: // it has just been closed
		return 0, nil
	default:
		return 0, err
	}
	defer unix.Close(fd)
	return ask(fd)
}

// inPipe is how much can be read from a pipe.
func inPipe(fd int) (int64, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return int64(n), err
}

// inSocket is what a socket has in its queues and what it has taken for them ahead.
func inSocket(fd int) (int64, error) {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int64(info[unix.SK_MEMINFO_RMEM_ALLOC]) + int64(info[unix.SK_MEMINFO_WMEM_QUEUED]) +
		int64(info[unix.SK_MEMINFO_FWD_ALLOC]) + int64(info[unix.SK_MEMINFO_BACKLOG]), nil
}
