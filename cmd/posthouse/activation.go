package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstPassed is where the descriptors begin that a service manager passes (sd_listen_fds(3)).
const firstPassed = 3

// passedListeners are the listening sockets that the service manager has bound for us. The environment is taken out, for
// children are not the service.
func passedListeners() ([]*net.TCPListener, error) {
	count, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	ours := os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid())
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if err != nil || !ours {
		return nil, nil
	}
	var all []*net.TCPListener
	var failed []error
	for fd := firstPassed; fd < firstPassed+count; fd++ {
		l, err := listenerOf(fd)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, l)
	}
	return all, errors.Join(failed...)
}

func listenerOf(fd int) (*net.TCPListener, error) {
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), fmt.Sprintf("passed socket %d", fd))
	defer file.Close() // the listener has a descriptor of its own
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && listens == 0 {
		return nil, fmt.Errorf("socket activation: descriptor %d is no listening socket (Accept=no)", fd)
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("socket activation: descriptor %d: %w (it must be a listening socket, Accept=no)", fd, err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("socket activation: descriptor %d is no TCP socket (ListenStream= with a port)", fd)
	}
	return tcp, nil
}
