package relay

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gulp is bulk that TLS is to go over, read at once: a whole turn of it. TLS costs the same in any size, but each read and each write that is
// saved spares the kernel packets, acknowledgements and wake-ups. By chunks a download cost a quarter more.
type gulp [turn * chunk]byte

// space is where the next bytes without TLS are read to: of bulk as many as the turn has left and the other side will take.
func (l *loop) space(from, to *side, left int) []byte {
	if from.filled < bulk {
		return l.scratch[:]
	}
	most := min(to.room(), left*chunk)
	if most <= chunk {
		return l.scratch[:]
	}
	if l.gulp == nil {
		l.gulp = new(gulp)
	}
	return l.gulp[:most]
}

// learn notes how bulky it is what a side says. One small piece does not end bulk: a loop may be quicker than the source.
func (s *side) learn(n int) {
	switch {
	case n >= chunk:
		s.filled = min(s.filled+1, bulk)
	case s.filled > 0:
		s.filled--
	}
}

// room is how much a write would take now, as far as the socket's own buffer goes.
func (s *side) room() int {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return int(info[unix.SK_MEMINFO_SNDBUF]) - int(info[unix.SK_MEMINFO_WMEM_QUEUED])
}
