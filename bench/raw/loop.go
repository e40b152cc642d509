//go:build linux

package raw

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Loop calls what can go on, for all sockets of nodes and clients, on the one thread that runs it: the load is to cost as little
// as it can, or the server under test would wait for it.
type Loop struct {
	fd       int
	watchers []Watcher // by descriptor
	events   [256]unix.EpollEvent
}

// Watcher is one end of a connection. Ready is called once for each change of a socket: it goes on until it would block.
type Watcher interface{ Ready(events uint32) }

// NewLoop has no sockets yet.
func NewLoop() (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &Loop{fd: fd}, nil
}

// edges are asked for once and for all: an edge-triggered socket needs no call when the direction of its interest changes.
const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1)

// Add begins to watch a socket.
func (l *Loop) Add(fd int, w Watcher) error {
	for fd >= len(l.watchers) {
		l.watchers = append(l.watchers, nil)
	}
	l.watchers[fd] = w
	return unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: edges, Fd: int32(fd)})
}

// Close ends a socket. An event of it that is still to come is not delivered.
func (l *Loop) Close(fd int) {
	if fd < len(l.watchers) {
		l.watchers[fd] = nil
	}
	unix.Close(fd)
}

// Reset ends a socket with a reset. After that neither end remembers the connection, as they do for a minute after an orderly end.
func (l *Loop) Reset(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	l.Close(fd)
}

// turnTime is how long a turn waits at most. Go's scheduler does not know of the wait (it costs less that way), so a collection of
// garbage may have to wait as long.
const turnTime = 5 // ms

// Turn waits for events and calls their watchers.
func (l *Loop) Turn() error {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.fd), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), turnTime, 0, 0)
	if err != 0 {
		if err == unix.EINTR {
			return nil
		}
		return fmt.Errorf("epoll: %w", err)
	}
	for _, e := range l.events[:n] {
		if w := l.watchers[e.Fd]; w != nil {
			w.Ready(e.Events)
		}
	}
	return nil
}

// Serve turns while this goroutine does something else, until it calls stop.
func (l *Loop) Serve() (stop func()) {
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !over.Load() && l.Turn() == nil {
		}
	}()
	return func() {
		over.Store(true)
		<-done
	}
}
