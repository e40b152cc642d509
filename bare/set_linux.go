// Package bare waits for sockets that Go's poller does not know, and reads and writes them. It is for threads that have many sockets and do
// nothing else: a Set is what such a thread waits for, and the calls of sockets_linux.go never block.
package bare

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Bell is the key of the bell in events. No socket may have it.
const Bell = -1

// keepProcessor is how many milliseconds a thread waits for events without giving its processor back to Go's scheduler: to get it back takes a
// wake-up of another thread. The collector waits for such a thread no longer than that, and mostly not at all, as its signal ends the wait.
const keepProcessor = 5

// Set is sockets that one thread waits for, and a bell that others ring.
type Set struct {
	epoll, bell int
	lend        bool        // Go's scheduler has no processor to spare
	rung        atomic.Bool // the bell has been rung and not been heard
}

// NewSet is an empty Set. With lend the thread never keeps its processor while it waits.
func NewSet(lend bool) (*Set, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, err
	}
	s := &Set{epoll: epoll, bell: bell, lend: lend}
	if err := s.Add(bell, unix.EPOLLIN|unix.EPOLLET, Bell); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the Set. Nobody may ring any more.
func (s *Set) Close() {
	unix.Close(s.bell)
	unix.Close(s.epoll)
}

// Add lets events of a socket come under a key. It fails without memory, or at fs.epoll.max_user_watches.
func (s *Set) Add(fd int, events uint32, key int32) error {
	return s.control(unix.EPOLL_CTL_ADD, fd, events, key)
}

// Change changes for which events a socket is watched. It cannot fail for one that was added.
func (s *Set) Change(fd int, events uint32, key int32) error {
	return s.control(unix.EPOLL_CTL_MOD, fd, events, key)
}

// Remove is for sockets that stay open: a closed one is forgotten.
func (s *Set) Remove(fd int) { s.control(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (s *Set) control(op, fd int, events uint32, key int32) error {
	return unix.EpollCtl(s.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: key})
}

// Ring makes the wait end, from any goroutine. A bell that was rung and not heard yet is not rung again.
func (s *Set) Ring() {
	if s.rung.CompareAndSwap(false, true) {
		unix.Write(s.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// Heard is called at the event of the bell, before what it was rung for is looked at. Each ring is an edge, so the bell need not be read.
func (s *Set) Heard() { s.rung.Store(false) }

// Now returns how many events there are.
func (s *Set) Now(events []unix.EpollEvent) int { return s.poll(events, 0) }

// Soon waits some milliseconds without giving the processor back, if there is one to spare.
func (s *Set) Soon(events []unix.EpollEvent) int {
	if s.lend {
		return 0
	}
	return s.poll(events, keepProcessor)
}

// Wait waits for so many milliseconds; below 0: for ever. It may return 0 for no reason.
func (s *Set) Wait(events []unix.EpollEvent, timeout int) int {
	n, err := unix.EpollWait(s.epoll, events, timeout)
	if err != nil { // EINTR
		return 0
	}
	return n
}

// poll waits unseen by Go's scheduler.
func (s *Set) poll(events []unix.EpollEvent, timeout int) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(s.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(timeout), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
