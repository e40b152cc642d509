package relay

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// spareParcels is how many empty buffers a loop keeps: 2 MiB. More stalled readers than this at one moment make new ones.
const spareParcels = 64

// parcel is bytes that a socket would not take yet.
type parcel struct {
	rest []byte
	room [chunk]byte
}

// pipeful is a pipe with bytes in it for a socket that would not take them yet.
type pipeful struct {
	pipe
	n int
}

// store is what a loop lends to sessions with bytes in flight.
type store struct {
	parcels []*parcel
	pipes   []*pipeful
}

func (s *store) parcel(b []byte) *parcel {
	var p *parcel
	if last := len(s.parcels) - 1; last >= 0 {
		p, s.parcels = s.parcels[last], s.parcels[:last]
	} else {
		p = new(parcel)
	}
	p.rest = append(p.room[:0], b...)
	return p
}

func (s *store) takeParcel(p *parcel) {
	p.rest = nil
	if len(s.parcels) < spareParcels {
		s.parcels = append(s.parcels, p)
	}
}

func (s *store) pipe() (*pipeful, error) {
	if last := len(s.pipes) - 1; last >= 0 {
		p := s.pipes[last]
		s.pipes = s.pipes[:last]
		return p, nil
	}
	p, err := openPipe()
	return &pipeful{pipe: p}, err
}

// takePipe takes an empty pipe back, and closes one that is not.
func (s *store) takePipe(p *pipeful) {
	if p.n > 0 || len(s.pipes) >= spare {
		p.close()
		return
	}
	s.pipes = append(s.pipes, p)
}

func (s *store) close() {
	for _, p := range s.pipes {
		p.close()
	}
}

// move is one splice, unseen by Go's scheduler as in side.read.
func move(from, to, most int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(most), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
