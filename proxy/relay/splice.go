package relay

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is what a pipe holds: with 64 KiB, the default, splicing is no gain over copying.
const pipeSize = 1 << 20

// spare is how many empty pipes are kept. More streams than this at one moment make and close pipes of their own.
const spare = 32

// pipe has room for bulk on its way through the kernel.
type pipe struct{ r, w int }

// pipes lends pipes. A pipe goes back as soon as it is empty: one parked in each direction of an idle session would be
// 55 KiB of kernel memory and 6 descriptors.
type pipes struct{ free freeList }

func (p *pipes) get() (pipe, error) {
	if free, ok := p.free.pop(); ok {
		return free, nil
	}
	var fd [2]int
	if err := unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, err
	}
	unix.FcntlInt(uintptr(fd[0]), unix.F_SETPIPE_SZ, pipeSize) // refused over the user's soft limit; it works with less
	return pipe{fd[0], fd[1]}, nil
}

func (p *pipes) put(empty pipe) {
	if !p.free.push(empty) {
		empty.close()
	}
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// Close gives up the pipes that are kept. No session may be running.
func (e *Engine) Close() {
	for {
		free, ok := e.pipes.free.pop()
		if !ok {
			return
		}
		free.close()
	}
}

// splice moves bytes from socket to socket inside the kernel until src has none for the moment. Where there is no
// descriptor for a pipe nothing has moved, and copying goes on.
func (d *direction) splice() error {
	p, err := d.engine.pipes.get()
	if err != nil {
		return nil
	}
	out, err := d.dst.SyscallConn()
	if err != nil {
		p.close()
		return writeError{err}
	}
	for {
		n, err := d.fill(p)
		if n == 0 {
			d.engine.pipes.put(p)
			return err
		}
		d.spoke.Store(stampNow(0))
		d.last.Store(d.last.Load() | moving)
		sent, err := drain(p, out, n)
		d.moved.Add(int64(sent))
		if err != nil {
			p.close() // it has bytes in it
			return writeError{err}
		}
		d.last.Store(stampNow(0))
	}
}

// fill takes from src what is there. Nothing there is (0, nil), the end (0, io.EOF).
func (d *direction) fill(p pipe) (n int, err error) {
	failed := d.in.Read(func(fd uintptr) bool {
		n, err = spliceOnce(int(fd), p.w, pipeSize)
		return true
	})
	switch {
	case failed != nil:
		return 0, readError{failed}
	case err == unix.EAGAIN:
		return 0, nil
	case err != nil:
		return 0, readError{os.NewSyscallError("splice", err)}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// drain gives n bytes of the pipe to a socket, waiting for it as long as it takes.
func drain(p pipe, out syscall.RawConn, n int) (sent int, err error) {
	failed := out.Write(func(fd uintptr) bool {
		for sent < n {
			var moved int
			if moved, err = spliceOnce(p.r, int(fd), n-sent); err != nil {
				return err != unix.EAGAIN
			}
			sent += moved
		}
		return true
	})
	if failed != nil {
		return sent, failed
	}
	if err != nil {
		return sent, os.NewSyscallError("splice", err)
	}
	return sent, nil
}

func spliceOnce(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return int(n), err
		}
	}
}
