package relay

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spare is how many empty pipes are kept. More streams than this at one moment make and close pipes of their own.
const spare = 32

// pipes lends pipes. A pipe goes back as soon as it is empty: one parked in each direction of an idle session would be
// 55 KiB of kernel memory and 6 descriptors.
type pipes struct{ free freeList }

func (p *pipes) get() (pipe, error) {
	if free, ok := p.free.pop(); ok {
		return free, nil
	}
	return openPipe()
}

func (p *pipes) put(empty pipe) {
	if !p.free.push(empty) {
		empty.close()
	}
}

func (p *pipes) close() {
	for {
		free, ok := p.free.pop()
		if !ok {
			return
		}
		free.close()
	}
}

// splice moves bytes from socket to socket inside the kernel until src has none for the moment. Where there is no
// descriptor for a pipe nothing has moved, and copying goes on.
func (d *direction) splice() error {
	p, err := d.kept.get()
	if err != nil {
		return nil
	}
	out, err := d.dst.SyscallConn()
	if err != nil {
		p.close()
		return writeError{err}
	}
	out.Control(func(fd uintptr) { boundUnsent(int(fd), mostUnsent) })
	for {
		n, err := d.fill(p)
		if n == 0 {
			d.kept.put(p)
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
