package relay

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/bare"
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
type state uint16

const (
	readable  state = 1 << iota // there may be something to read
	hungUp                      // a short read is not the end of it: the peer's end or its reset is waiting
	full                        // there is no room to write
	asked                       // epoll tells when there is room
	unwanted                    // what comes from here is read and thrown away, as the other side is gone
	ended                       // no more comes from here
	broken                      // it was reset, which a read has used up: reads find an end now
	inside                      // TLS may have more to say without anything to read
	shutLater                   // this side is to be told that no more comes, behind what is held for it
	nagle                       // TCP_NODELAY is not set
	spoken                      // something was written
	mortal                      // keep-alive is not set
	bounded                     // no more than fewUnsent waits in its socket
	eager                       // no more than mostUnsent
)

func (s *side) is(some state) bool { return s.state&some != 0 }
func (s *side) set(some state)     { s.state |= some }
func (s *side) unset(some state)   { s.state &^= some }

func (s *side) holds() bool { return s.held != nil || s.pipe != nil }

func (s *side) read(into []byte) (int, syscall.Errno) { return bare.Receive(int(s.fd), into) }
func (s *side) write(b []byte) (int, syscall.Errno)   { return bare.Send(int(s.fd), b) }

// hurry is called before a write. Only the second one could be held back for the answer to the first: sessions that have one save a call.
func (s *side) hurry() {
	if !s.is(spoken) {
		s.set(spoken)
		return
	}
	unix.SetsockoptInt(int(s.fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	s.unset(nagle)
}

// bulky is a piece of bulk: a full record of TLS (RFC 8446, 5.1). Segments may be so large that every other read is short, and nothing is spliced.
const bulky = 16 << 10

// bound is called before a side gets bulk, and says how much it is to get at once. It has taken so much already.
func (s *side) bound(taken int64) int {
	switch {
	case !s.is(bounded):
		s.set(bounded)
		boundUnsent(int(s.fd), fewUnsent)
	case !s.is(eager) && taken >= pipeSize:
		s.set(eager)
		boundUnsent(int(s.fd), mostUnsent)
	}
	if s.is(eager) {
		return pipeSize
	}
	return fewUnsent
}

// keepAliveAfter is the age at which a session gets its keep-alive towards the node. Most do not live that long, and it takes four calls.
const keepAliveAfter = time.Minute

func (s *side) keepAlive(c net.KeepAliveConfig) {
	s.unset(mortal)
	if !c.Enable {
		return
	}
	unix.SetsockoptInt(int(s.fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(c.Idle.Seconds()))
	unix.SetsockoptInt(int(s.fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(c.Interval.Seconds()))
	unix.SetsockoptInt(int(s.fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, c.Count)
	unix.SetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}

// shut tells the peer that no more will come.
func (s *side) shut() { syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(s.fd), unix.SHUT_WR, 0) }

func (s *side) close(reset bool) {
	if reset {
		resetOnClose(int(s.fd))
	}
	bare.Close(int(s.fd))
}

// temporary is no error but the wish to be asked again.
func temporary(errno syscall.Errno) bool { return errno == unix.EAGAIN || errno == unix.EINTR }
