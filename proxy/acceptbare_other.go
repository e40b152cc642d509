//go:build !linux

package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptBare takes a client out of the queue of a listening socket, without Go's poller. Not every system has accept4.
func acceptBare(listening int) (client int, err error) {
	syscall.ForkLock.RLock() // no child may get it before it is marked
	defer syscall.ForkLock.RUnlock()
	if client, _, err = unix.Accept(listening); err != nil {
		return 0, err
	}
	unix.CloseOnExec(client)
	if err = unix.SetNonblock(client, true); err != nil {
		unix.Close(client)
	}
	return client, err
}
