package bare

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The following are single calls for sockets that do not block. Go's scheduler is not told of them: that costs more than it could use the
// processor for. recv and send find the socket quicker than read and write do, and send raises no signal.

// Accept takes a client in, whose socket does not block.
func Accept(listener int) (fd int, from netip.AddrPort, errno syscall.Errno) {
	var raw unix.RawSockaddrInet6 // the larger one of the two families
	size := uint32(unsafe.Sizeof(raw))
	n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return 0, netip.AddrPort{}, errno
	}
	port := (*[2]byte)(unsafe.Pointer(&raw.Port))
	at := uint16(port[0])<<8 | uint16(port[1])
	if raw.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&raw))
		return int(n), netip.AddrPortFrom(netip.AddrFrom4(four.Addr), at), 0
	}
	return int(n), netip.AddrPortFrom(netip.AddrFrom16(raw.Addr).Unmap(), at), 0
}

// Receive reads into what is not empty.
func Receive(fd int, into []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Send writes what is not empty.
func Send(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// Close closes a socket.
func Close(fd int) { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
