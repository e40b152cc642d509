package relay

import "golang.org/x/sys/unix"

// unsent is how many bytes of a socket its peer has not acknowledged (getsockopt(2)).
func unsent(fd int) (int, error) { return unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE) }
