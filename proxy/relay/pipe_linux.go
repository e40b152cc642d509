package relay

import "golang.org/x/sys/unix"

// pipeSize is what a pipe holds: with 64 KiB, the default, splicing is no gain over copying.
const pipeSize = 1 << 20

// pipe has room for bulk on its way through the kernel.
type pipe struct{ r, w int }

func openPipe() (pipe, error) {
	var fd [2]int
	if err := unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, err
	}
	unix.FcntlInt(uintptr(fd[0]), unix.F_SETPIPE_SZ, pipeSize) // refused over the user's soft limit; it works with less
	return pipe{fd[0], fd[1]}, nil
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

func spliceOnce(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}

// What the kernel may hold for a peer beyond what is on its way: a reader that has stalled costs this, and not all that a send buffer may
// grow to, and a path with a long delay is as fast as ever. There is room again at half of it.
const (
	mostUnsent = 2 << 20   // with half of it bulk costs 15 % more, because of the wake-ups
	fewUnsent  = 256 << 10 // until the peer has taken a pipe full: the buffer of the other side grows with what we take from there
)

func boundUnsent(fd, most int) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, most)
}
