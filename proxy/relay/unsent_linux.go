package relay

import "golang.org/x/sys/unix"

// unsent is how many bytes of a socket its peer has not acknowledged (tcp(7)).
func unsent(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCOUTQ) }
