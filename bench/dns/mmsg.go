//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch      = 32   // packets a system call
	packetSize = 1500 // bytes of the largest answer, and more
)

// flight is a connected UDP socket with a batch of questions on their way.
type flight struct {
	fd        int
	in, out   [batch]message
	inV, outV [batch]unix.Iovec
	answers   [batch][packetSize]byte
	waiting   int
}

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32 // and what fills the struct up where pointers have 8 bytes
}

// silence is how long the answers to a whole batch may be missing: a query that is lost ends the measurement.
const silence = 2 * time.Second

func newFlight(to netip.AddrPort) (*flight, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &flight{fd: fd}
	timeout := unix.NsecToTimeval(silence.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return nil, err
	}
	for i := range batch {
		f.in[i].header.Iov, f.out[i].header.Iov = &f.inV[i], &f.outV[i]
		f.in[i].header.SetIovlen(1)
		f.out[i].header.SetIovlen(1)
		f.inV[i].Base = &f.answers[i][0]
		f.inV[i].SetLen(packetSize)
	}
	return f, nil
}

// send sends n questions, which stay as they are until they are answered.
func (f *flight) send(n int) error {
	for done := 0; done < n; {
		sent, _, code := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(f.fd), uintptr(unsafe.Pointer(&f.out[done])), uintptr(n-done), 0, 0, 0)
		if code != 0 {
			return fmt.Errorf("sendmmsg: %w", code)
		}
		done += int(sent)
	}
	f.waiting += n
	return nil
}

// receive waits for answers, and takes those that are there.
func (f *flight) receive() (int, error) {
	n, _, code := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(f.fd), uintptr(unsafe.Pointer(&f.in)), batch, unix.MSG_WAITFORONE, 0, 0)
	switch code {
	case 0:
		f.waiting -= int(n)
		return int(n), nil
	case unix.EAGAIN:
		return 0, fmt.Errorf("%d queries were not answered in %v", f.waiting, silence)
	}
	return 0, fmt.Errorf("recvmmsg: %w", code)
}
