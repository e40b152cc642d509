package relay

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// side is one of the two sockets of a pair, and the direction that begins there.
type side struct {
	record // of what came from here
	fd     int32
	state  state
	filled uint8 // how bulky what comes from here is: at bulk it is spliced

	// What came from the other side and this one would not take yet: at most one of these.
	held *parcel
	pipe *pipeful
}

// state is what is known of a side. An edge-triggered event is told once, so it is remembered here until a call says otherwise.
type state uint8

const (
	readable  state = 1 << iota // there may be something to read
	hungUp                      // a short read is not the end of it: the peer's end or its reset is waiting
	full                        // there is no room to write
	asked                       // epoll tells when there is room
	unwanted                    // what comes from here is read and thrown away, as the other side is gone
	ended                       // no more comes from here
	inside                      // TLS may have more to say without anything to read
	shutLater                   // this side is to be told that no more comes, behind what is held for it
)

func (s *side) is(some state) bool { return s.state&some != 0 }
func (s *side) set(some state)     { s.state |= some }
func (s *side) unset(some state)   { s.state &^= some }

func (s *side) holds() bool { return s.held != nil || s.pipe != nil }

// read and write are single calls that never block. Go's scheduler is not told of them: that costs more than it could use the processor for.
// recv and send find the socket quicker than read and write do, and send raises no signal.

func (s *side) read(into []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func (s *side) write(b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// shut tells the peer that no more will come.
func (s *side) shut() { unix.Shutdown(int(s.fd), unix.SHUT_WR) }

func (s *side) close(reset bool) {
	if reset {
		resetOnClose(int(s.fd))
	}
	unix.Close(int(s.fd))
}

// temporary is no error but the wish to be asked again.
func temporary(errno syscall.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }
