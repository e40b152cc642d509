package proxy

import "golang.org/x/sys/unix"

// acceptBare takes a client out of the queue of a listening socket, without Go's poller.
func acceptBare(listening int) (client int, err error) {
	client, _, err = unix.Accept4(listening, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	return client, err
}
