package geodns

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"posthouse/bare"
)

// watchListener lets clients in. It is watched as long as somebody waits there (no edges), so that no batch needs to be the last one.
func (l *tcpLoop) watchListener(listener *tcpListener) {
	number := slices.Index(l.listeners, nil)
	if number < 0 {
		number = len(l.listeners)
		l.listeners = append(l.listeners, nil)
	}
	l.listeners[number] = listener
	if err := l.set.Add(listener.fd, unix.EPOLLIN, listenerKey-int32(number)); err != nil {
		l.listeners[number] = nil
		l.pause(listener, err)
	}
}

func (l *tcpLoop) forgetListener(listener *tcpListener) {
	l.paused = slices.DeleteFunc(l.paused, func(p *tcpListener) bool { return p == listener })
	if number := slices.Index(l.listeners, listener); number >= 0 {
		l.listeners[number] = nil
		l.set.Remove(listener.fd)
	}
}

// pause looks away from a listener for a while: it would be a busy loop, as the client goes on waiting there.
func (l *tcpLoop) pause(listener *tcpListener, why error) {
	l.server.Log.Warn("dns: accept", "address", listener.address.String(), "why", why.Error())
	l.forgetListener(listener)
	l.paused = append(l.paused, listener)
	l.resume = l.now.Add(acceptPause)
}

// unpause looks at the listeners again whose pause is over.
func (l *tcpLoop) unpause() {
	if len(l.paused) == 0 || l.now.Before(l.resume) {
		return
	}
	paused := l.paused
	l.paused = nil
	for _, listener := range paused {
		l.watchListener(listener)
	}
}

// admit takes in those who wait at a listener.
func (l *tcpLoop) admit(listener *tcpListener) {
	for range acceptBatch {
		fd, from, errno := bare.Accept(listener.fd)
		switch errno {
		case 0:
			l.enter(fd, from.Addr())
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
		default:
			l.pause(listener, errno)
			return
		}
	}
}

// enter takes a client in. Its question is mostly there.
func (l *tcpLoop) enter(fd int, from netip.Addr) {
	if !l.counts.enter(tcpClient(from)) {
		bare.Close(fd)
		l.server.Metrics.refused.Inc()
		return
	}
	l.server.Metrics.conns.Inc()
	c := l.conn()
	c.fd, c.client, c.readable = fd, from, true
	l.idle.move(c, l.now)
	l.turn(c)
	if c.fd != none && !l.watch(c) {
		l.drop(c)
	}
}

// conn is one that somebody else has had, or a new one.
func (l *tcpLoop) conn() *tcpConn {
	if last := len(l.free) - 1; last >= 0 {
		c := l.free[last]
		l.free = l.free[:last]
		return c
	}
	c := &tcpConn{number: int32(len(l.conns)), fd: none}
	l.conns = append(l.conns, c)
	return c
}

// watch registers a socket, or changes what it is watched for. It fails without memory, or at fs.epoll.max_user_watches.
func (l *tcpLoop) watch(c *tcpConn) bool {
	watch, events := l.set.Add, uint32(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET)
	if c.watched {
		watch = l.set.Change
	}
	if len(c.unsent) > 0 {
		events |= unix.EPOLLOUT
	}
	c.watched = watch(c.fd, events, c.number) == nil
	return c.watched
}

// drop ends a connection. Its place is free when no answers are made for it any more: so there are never more of these than connections
// may have.
func (l *tcpLoop) drop(c *tcpConn) {
	bare.Close(c.fd)
	l.server.Metrics.conns.Dec()
	c.in.remove(c)
	l.asked.takeBack(c.held)
	l.answers.takeBack(c.unsent)
	*c = tcpConn{number: c.number, fd: none, client: c.client, slow: c.slow, queued: c.queued}
	l.forget(c)
}

// forget frees the place of a connection that has ended.
func (l *tcpLoop) forget(c *tcpConn) {
	if c.slow == 0 {
		l.counts.leave(tcpClient(c.client))
		l.leaving = append(l.leaving, c)
	}
}
