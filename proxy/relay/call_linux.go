package relay

import (
	"io"
	"net/netip"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

// call connects to a node for a client. The pair begins with it, so that nothing has to be registered again when the session is settled.
func (l *loop) call(client int, c *Call) {
	p := &pair{loop: l, call: c, half: -1, number: nobody}
	p.client.fd = int32(client)
	c.began = l.now
	node, errno := socket(c)
	words, told := l.words(p), 0 // as late as possible: a client that speaks first may just be about to
	if errno == 0 {
		p.node.fd, p.node.state = int32(node), nagle|mortal|full // full: not connected yet
		told, errno = l.dial(p, words)
	}
	if errno != 0 {
		c.keep(words)
		c.Caller.Back(l.progress(p, nil))
		return
	}
	l.number(p)
	switch opening := len(c.Opening); {
	case p.node.is(full):
		c.keep(words)
		fallthrough
	case c.Greets:
		l.wheel.set(p.number, c.began+c.Patience)
	default:
		l.settle(p) // the call is the caller's again
		l.count(p, words, opening, told)
	}
	events := uint32(inputs)
	if p.node.is(full) {
		p.node.set(asked)
		events |= unix.EPOLLOUT
	}
	if l.register(p, &p.client, inputs) != nil || l.register(p, &p.node, events) != nil {
		l.unwatched(p)
	}
}

// words are what the node is to be told as soon as it has accepted: the opening, and what the client has said already if the node does
// not greet.
func (l *loop) words(p *pair) []byte {
	opening := copy(l.scratch[:], p.call.Opening)
	if p.call.Greets {
		return l.scratch[:opening]
	}
	return l.scratch[:opening+l.readEarly(p, l.scratch[opening:])]
}

// dial begins a connection. If words follow, they carry the acknowledgement of the node's SYN, and told is how much of them the node has.
// There is no socket any more if it fails.
func (l *loop) dial(p *pair, words []byte) (told int, errno syscall.Errno) {
	if len(words) > 0 {
		holdAck(int(p.node.fd))
	}
	errno = connect(int(p.node.fd), p.call.Node)
	if errno == 0 || errno == unix.EINPROGRESS {
		told, errno = l.tell(p, words)
	}
	if errno != 0 {
		bare.Close(int(p.node.fd))
		p.node.fd = 0
	}
	return told, errno
}

// tell gives a node its first words if it has accepted already, as near ones have: that saves an event. An opening alone waits for the event,
// to go in one segment with what the client says by then. An error says that the node has refused.
func (l *loop) tell(p *pair, words []byte) (told int, errno syscall.Errno) {
	c := p.call
	if len(words) == 0 || !c.Greets && len(words) == len(c.Opening) {
		return 0, 0
	}
	told, errno = p.node.write(words)
	switch {
	case temporary(errno):
		return 0, 0
	case errno != 0:
		return 0, errno
	case c.Greets && told < len(words): // a new socket has room for more than that
		return told, unix.ENOBUFS
	}
	p.node.unset(full)
	p.node.set(spoken)
	c.connected, c.introduced = max(time.Since(base), c.began+1), len(c.Opening) > 0
	l.now = max(l.now, c.connected)
	return told, 0
}

// keep remembers what the client has said, as the node cannot be told now.
func (c *Call) keep(words []byte) { c.early = append([]byte(nil), words[len(c.Opening):]...) }

// count counts what the client had said before it had a node. The node has taken so much of the words, and gets the rest
// as it would anything that it does not take at once: nobody else may hear it now.
func (l *loop) count(p *pair, words []byte, opening, told int) {
	var rest stamp
	if told < len(words) {
		p.node.held, rest = l.store.parcel(words[told:]), moving
		p.node.set(full)
	}
	p.client.moved.Add(int64(told - opening))
	early := words[opening:]
	if len(early) == 0 {
		return
	}
	if startsTLS(early) {
		p.tls.Store(true)
	}
	p.client.last.Store(l.stamp(stampLine(early) | rest))
}

// unwatched ends what cannot be watched.
func (l *loop) unwatched(p *pair) {
	if p.call != nil {
		l.giveBack(p, nil)
		return
	}
	p.note(Cut)
	l.finish(p)
}

// socket is one for the call, with its source.
func socket(c *Call) (int, syscall.Errno) {
	family := unix.AF_INET
	if c.Node.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err.(syscall.Errno)
	}
	if c.Source.IsValid() {
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // the port is chosen when the destination is known
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(c.Source, 0))); err != nil {
			unix.Close(fd)
			return 0, err.(syscall.Errno)
		}
	}
	return fd, 0
}

// holdAck lets the acknowledgement of the node's SYN wait for what is sent next (tcp(7), TCP_QUICKACK).
func holdAck(fd int) {
	var off int32
	syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, uintptr(unsafe.Pointer(&off)), unsafe.Sizeof(off), 0)
}

// connect is a single call that never blocks, as side.write.
func connect(fd int, to netip.AddrPort) syscall.Errno {
	var raw unix.RawSockaddrInet6
	port := (*[2]byte)(unsafe.Pointer(&raw.Port)) // at the same place in both families
	port[0], port[1] = byte(to.Port()>>8), byte(to.Port())
	size := uintptr(unix.SizeofSockaddrInet6)
	if to.Addr().Is4() {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&raw))
		four.Family, four.Addr, size = unix.AF_INET, to.Addr().As4(), unix.SizeofSockaddrInet4
	} else {
		raw.Family, raw.Addr = unix.AF_INET6, to.Addr().As16()
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&raw)), size)
	return errno
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// advance goes on with a call after an event.
func (l *loop) advance(p *pair) {
	c := p.call
	if c.connected == 0 {
		if p.node.is(full) {
			return
		}
		if p.node.is(hungUp) {
			if errno, _ := unix.GetsockoptInt(int(p.node.fd), unix.SOL_SOCKET, unix.SO_ERROR); errno != 0 {
				unix.Close(int(p.node.fd)) // the caller tries again, and the node's other addresses too
				p.node.fd = 0
				l.giveBack(p, nil)
				return
			}
		}
		c.connected = max(l.now, c.began+1)
		if !c.Greets {
			opening, early := c.Opening, c.early
			l.settle(p) // the call is the caller's again
			l.address(p, opening, early)
			return
		}
		if !l.introduce(p) {
			return
		}
	}
	for p.call != nil && p.node.is(readable) {
		l.listen(p)
	}
}

// introduce sends the opening to a node that greets after it. It is false if the call is over.
func (l *loop) introduce(p *pair) bool {
	c := p.call
	if len(c.Opening) == 0 {
		return true
	}
	c.introduced = true
	p.node.set(spoken)
	n, errno := p.node.write(c.Opening)
	if errno == 0 && n < len(c.Opening) {
		errno = unix.ENOBUFS // a new socket has room for more than that
	}
	if errno != 0 {
		l.giveBack(p, errno)
	}
	return errno == 0
}

// address sends the opening to a node that does not greet, and in the same segment what the client has said already.
func (l *loop) address(p *pair, opening, early []byte) {
	b := append(append(l.scratch[:0], opening...), early...)
	if len(b) == len(opening) && len(b) > 0 && p.client.is(readable) {
		b = l.scratch[:len(b)+l.readEarly(p, l.scratch[len(b):])]
	}
	if len(b) > 0 {
		p.node.set(spoken)
		if told, errno := p.node.write(b); errno != 0 && !temporary(errno) {
			l.lost(p, &p.client, &p.node)
		} else {
			l.count(p, b, len(opening), told)
		}
	}
	l.turn(p)
}

// readEarly reads what a client says before a node has heard its opening.
func (l *loop) readEarly(p *pair, into []byte) int {
	n, errno := p.client.read(into)
	switch {
	case errno != 0 && !temporary(errno):
		p.client.set(broken)
	case 0 < n && n < len(into) && !p.client.is(hungUp):
		p.client.unset(readable) // what comes later is another event
	}
	return n
}

// listen reads the node's first words.
func (l *loop) listen(p *pair) {
	c := p.call
	n, errno := p.node.read(l.scratch[:])
	switch {
	case errno == unix.EAGAIN:
		p.node.unset(readable)
		return
	case errno == unix.EINTR:
		return
	case n == 0 && errno == 0:
		l.giveBack(p, io.EOF)
		return
	case n == 0:
		l.giveBack(p, errno)
		return
	}
	if n < chunk && !p.node.is(hungUp) {
		p.node.unset(readable)
	}
	said := l.scratch[:n]
	if c.said != nil {
		c.said = append(c.said, said...)
		said = c.said
	}
	switch c.Caller.Judge(said) {
	case Welcome:
		l.settle(p)
		l.pass(p, &p.node, &p.client, said)
		l.turn(p)
	case Incomplete:
		c.said = slices.Clone(said)
	default:
		c.said = slices.Clone(said)
		l.giveBack(p, nil)
	}
}

// settle makes a session of a call.
func (l *loop) settle(p *pair) {
	now := l.stamp(0)
	p.client.last.Store(now)
	p.node.last.Store(l.stamp(0))
	terms := p.call.Caller.Settled(p, l.progress(p, nil))
	p.call, p.idle, p.owner = nil, terms.Idle, terms.Owner
	if p.idle > 0 {
		l.arm(p) // which comes up by then as well: a turn of the wheel is little more than keepAliveAfter
	} else {
		l.wheel.set(p.number, l.now+keepAliveAfter)
	}
}

// giveBack lets go of a call and its sockets.
func (l *loop) giveBack(p *pair, err error) {
	l.set.Remove(int(p.client.fd))
	if p.node.fd != 0 {
		l.set.Remove(int(p.node.fd))
	}
	progress := l.progress(p, err)
	caller := p.call.Caller
	p.call = nil
	l.leave(p)
	caller.Back(progress)
}

func (l *loop) recall() {
	for _, p := range l.pairs {
		if p != nil && p.call != nil {
			l.giveBack(p, nil)
		}
	}
}

func (l *loop) progress(p *pair, err error) Progress {
	c := p.call
	r := Progress{Client: int(p.client.fd), Node: int(p.node.fd), Connected: c.connected != 0, Introduced: c.introduced, Said: c.said, Early: c.early, Err: err}
	if r.Connected {
		r.ToConnect, r.ToGreet = c.connected-c.began, l.now-c.connected
	}
	return r
}
