//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bench/beside"
)

// pace is how many questions a second steady asks: what a busy name server has, and far below what one answers.
const pace = 5_000

// steadyBuffer holds the answers to all questions of a second.
const steadyBuffer = 8 << 20

// steady asks at an even pace, so that an answer that comes late holds up no question after it. How long an answer takes counts from when its
// question was due.
type steady struct {
	tally   beside.Tally
	work    work
	checked bool
	fd      int
	asked   int
	due     [1 << 16]time.Time // by id; zero: answered
	open    int                // questions that are not answered
}

// newSteady opens a socket to a server. The caller closes it.
func newSteady(to netip.AddrPort, w work) (*steady, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	// What comes after a pause of the server comes at once, and is to be late, not lost.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, steadyBuffer)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &steady{work: w, fd: fd}, nil
}

// run asks until a time, and then waits for what is missing.
func (s *steady) run(until time.Time) error {
	const between = time.Second / pace
	next := time.Now()
	for now := next; ; now = time.Now() {
		asking := now.Before(until)
		switch {
		case !asking && s.open == 0:
			return nil
		case now.After(until.Add(silence)):
			return fmt.Errorf("%d queries were not answered in %v", s.open, silence)
		case asking && !now.Before(next):
			if err := s.ask(next); err != nil {
				return err
			}
			next = next.Add(between)
		case !asking:
			next = until.Add(silence)
		}
		if err := s.await(max(0, next.Sub(now))); err != nil {
			return err
		}
	}
}

// await waits for answers, no longer than that, and takes those that are there.
func (s *steady) await(most time.Duration) error {
	wait := unix.NsecToTimespec(most.Nanoseconds())
	if _, err := unix.Ppoll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, &wait, nil); err != nil && err != unix.EINTR {
		return fmt.Errorf("ppoll: %w", err)
	}
	return s.take()
}

// promptly runs f on a thread that goes before others on its core: these would be measured as well. Who may not do that runs f as it is. The
// thread stays, because servers end with the one that started them.
func promptly(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const first, usual = -20, 0
	unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), first)
	defer unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), usual)
	f()
}

func (s *steady) ask(due time.Time) error {
	var packet [512]byte
	id := uint16(s.asked)
	n := copy(packet[:], s.question(id).packet)
	binary.BigEndian.PutUint16(packet[:], id)
	if _, err := unix.Write(s.fd, packet[:n]); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	s.due[id] = due
	s.asked++
	s.open++
	return nil
}

func (s *steady) question(id uint16) question { return s.work[int(id)%len(s.work)] }

// take takes the answers that are there.
func (s *steady) take() error {
	var packet [packetSize]byte
	for {
		n, err := unix.Read(s.fd, packet[:])
		switch {
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case n < 2:
			return fmt.Errorf("an answer of %d bytes", n)
		}
		if err := s.answered(packet[:n]); err != nil {
			return err
		}
	}
}

func (s *steady) answered(packet []byte) error {
	now, id := time.Now(), binary.BigEndian.Uint16(packet)
	if s.due[id].IsZero() {
		return fmt.Errorf("an answer to %d, which nobody asked", id)
	}
	if s.checked {
		if err := s.question(id).check(packet, id); err != nil {
			return err
		}
	}
	s.tally.Add(now.Sub(s.due[id]))
	s.due[id] = time.Time{}
	s.open--
	return nil
}
