package geodns

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch     = 32          // messages a system call: more gains nothing, and makes the first one wait for the last
	maxAsked  = 2048        // the largest question read; what is longer is not a question
	backlog   = 4 << 20     // bytes in a socket's queue; the kernel may grant less. Smaller, and a reload's pause loses queries
	wakeEvery = time.Second // how long a worker that nobody asks sleeps before it looks whether it is to end
)

// yieldEvery is how often a busy worker lets Go's scheduler run. After 10 ms without, the runtime's monitor takes its goroutine for one that
// lets nobody else run: it signals the thread, takes its processor away in each system call, and wakes 3,000 times a second to do so,
// which costs a tenth of all time where there is one core.
const yieldEvery = 8 * time.Millisecond

// udpSocket is one of several on an address: the kernel spreads clients over them. It blocks, and Go's poller does not
// know it: an epoll wake-up for each packet sent costs a tenth of all time.
type udpSocket struct {
	fd       int
	wildcard bool // answers must be told which of our addresses to come from
	ended    atomic.Bool

	mu     sync.Mutex // guards the following
	closed bool       // fd is somebody else's now
}

// bindUDP opens n sockets on an address. The first is bound without SO_REUSEPORT, so it finds whoever is there already; the
// listening TCP socket of the same address keeps others away as long as we run.
func bindUDP(a netip.AddrPort, n int) (sockets []*udpSocket, err error) {
	defer func() {
		if err != nil {
			closeAll(sockets)
		}
	}()
	for i := range n {
		s, err := openUDP(a)
		if err != nil {
			return sockets, err
		}
		sockets = append(sockets, s)
		if i > 0 {
			err = s.set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		if err == nil {
			err = unix.Bind(s.fd, sockaddr(a, s.wildcard))
		}
		if err == nil && i == 0 {
			err = s.set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		if err != nil {
			return sockets, err
		}
	}
	return sockets, nil
}

func closeAll(sockets []*udpSocket) {
	for _, s := range sockets {
		unix.Close(s.fd)
	}
}

func openUDP(a netip.AddrPort) (*udpSocket, error) {
	family := unix.AF_INET6
	if a.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &udpSocket{fd: fd, wildcard: !a.Addr().IsValid() || a.Addr().IsUnspecified()}
	if err := s.prepare(family); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

// prepare sets what the socket needs. The kernel may refuse the larger queue and the advice about path MTU.
func (s *udpSocket) prepare(family int) error {
	level, info, discover := unix.IPPROTO_IP, unix.IP_PKTINFO, unix.IP_MTU_DISCOVER
	only6 := 0
	if family == unix.AF_INET6 {
		level, info, discover = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, unix.IPV6_MTU_DISCOVER
		if !s.wildcard {
			only6 = 1
		}
		if err := s.set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only6); err != nil {
			return err
		}
	}
	if s.wildcard {
		if err := s.set(level, info, 1); err != nil {
			return err
		}
	}
	if s.set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, backlog) != nil {
		s.set(unix.SOL_SOCKET, unix.SO_RCVBUF, backlog)
	}
	s.set(level, discover, unix.IP_PMTUDISC_OMIT) // a forged "packet too big" would have answers fragmented
	timeout := unix.NsecToTimeval(wakeEvery.Nanoseconds())
	return unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
}

func (s *udpSocket) set(level, option, value int) error {
	if err := unix.SetsockoptInt(s.fd, level, option, value); err != nil {
		return fmt.Errorf("socket option %d: %w", option, err)
	}
	return nil
}

func sockaddr(a netip.AddrPort, wildcard bool) unix.Sockaddr {
	switch {
	case a.Addr().Is4():
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	case wildcard:
		return &unix.SockaddrInet6{Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// end lets serve return and close the socket. Questions that wait in its queue are lost, so it is for addresses that go.
func (s *udpSocket) end() {
	s.ended.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed { // by a failure of its own, before
		unix.Shutdown(s.fd, unix.SHUT_RD) // says ENOTCONN, and wakes the reader
	}
}

func (s *udpSocket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	unix.Close(s.fd)
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32 // and what fills the struct up where pointers have 8 bytes
}

// controlSize has room for one in6_pktinfo.
const controlSize = unix.SizeofCmsghdr + 24

// packets is what a worker reads a batch into and writes its answers from.
type packets struct {
	received, sent   [batch]mmsghdr
	receivedV, sentV [batch]unix.Iovec
	from             [batch]unix.RawSockaddrInet6 // the larger one of the two families
	control          [batch][controlSize]byte
	question         [batch][maxAsked]byte
	answer           [batch][udpSize]byte
}

func newPackets(wildcard bool) *packets {
	p := new(packets)
	for i := range batch {
		p.receivedV[i].Base = &p.question[i][0]
		p.receivedV[i].SetLen(maxAsked)
		h := &p.received[i].header
		h.Iov, h.Name = &p.receivedV[i], (*byte)(unsafe.Pointer(&p.from[i]))
		h.SetIovlen(1)
		p.sent[i].header.Iov = &p.sentV[i]
		p.sent[i].header.SetIovlen(1)
		if wildcard {
			h.Control = &p.control[i][0]
		}
	}
	return p
}

// serve answers until the socket is ended, and closes it. It keeps its thread: a worker a core, none of which moves.
func (s *udpSocket) serve(w *worker) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer s.close()
	p := newPackets(s.wildcard)
	var yielded time.Time
	for !s.ended.Load() {
		n, err := s.receive(p)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		now := w.begin()
		answers := 0
		for i := range n {
			answers += s.answer(p, i, answers, w)
		}
		s.send(p, answers)
		w.end()
		if now.Sub(yielded) >= yieldEvery {
			runtime.Gosched()
			yielded = now
		}
	}
	return nil
}

// receive waits for questions and takes those that are there, at most a batch. 0: none came in time.
func (s *udpSocket) receive(p *packets) (int, error) {
	for i := range batch {
		h := &p.received[i].header
		h.Namelen, h.Flags = unix.SizeofSockaddrInet6, 0
		if s.wildcard {
			h.SetControllen(controlSize)
		}
	}
	n, _, code := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&p.received)), batch, unix.MSG_WAITFORONE, 0, 0)
	switch code {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENOMEM, unix.ENOBUFS:
		return 0, nil // nobody asked, or news of an answer that did not arrive
	}
	return 0, fmt.Errorf("recvmmsg: %w", code)
}

// answer makes the answer to message i the next one to be sent, and returns 1; 0 if there is none.
func (s *udpSocket) answer(p *packets, i, next int, w *worker) int {
	in := &p.received[i]
	if in.header.Flags&unix.MSG_TRUNC != 0 {
		return 0
	}
	n := w.answerUDP(p.question[i][:in.length], address(&p.from[i]), p.answer[next][:])
	if n == 0 {
		return 0
	}
	out := &p.sent[next].header
	out.Name, out.Namelen = in.header.Name, in.header.Namelen
	p.sentV[next].Base = &p.answer[next][0]
	p.sentV[next].SetLen(n)
	if s.wildcard {
		out.Control = in.header.Control
		out.SetControllen(controlTo(&p.control[i], int(in.header.Controllen)))
	}
	return 1
}

// address is who sent a packet. IPv4 clients of an IPv6 socket are IPv4 clients.
func address(raw *unix.RawSockaddrInet6) netip.Addr {
	if raw.Family == unix.AF_INET {
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(raw)).Addr)
	}
	return netip.AddrFrom16(raw.Addr).Unmap()
}

// controlTo turns the control message that tells where a packet came to into the one that tells where its answer is to come
// from. The interface stays only where the address means nothing without it: the way back may be another one.
func controlTo(control *[controlSize]byte, length int) int {
	if length < unix.SizeofCmsghdr {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(control))
	body := unsafe.Pointer(&control[unix.SizeofCmsghdr])
	switch {
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO:
		info := (*unix.Inet4Pktinfo)(body)
		info.Ifindex, info.Spec_dst = 0, info.Addr
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO:
		info := (*unix.Inet6Pktinfo)(body)
		if info.Addr[0] != 0xfe || info.Addr[1]&0xc0 != 0x80 {
			info.Ifindex = 0
		}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	return 0
}

// send sends the answers. One that the kernel refuses (no route) is lost, the others are not. Where the socket's buffer is full it has a moment
// to become empty, and then the rest is lost: it may be full for seconds, of answers to neighbours that do not answer ARP, which anybody
// on the same wire can ask for in their names.
func (s *udpSocket) send(p *packets, n int) {
	waited := false
	for first := 0; first < n; {
		sent, _, code := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&p.sent[first])), uintptr(n-first), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case code == 0 && sent > 0:
			first += int(sent)
		case code == unix.EINTR:
		case code == unix.EAGAIN && waited:
			return
		case code == unix.EAGAIN:
			waited = true
			unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}, fullWait)
		default:
			first++
		}
	}
}

// fullWait is how many milliseconds a full buffer is waited for once a batch: a network card sends all of it in that time.
const fullWait = 1
