package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"posthouse/routing"
	"posthouse/wire"
)

// conversation is a client that speaks HTTP to us: one request after another, each routed by itself. One goroutine has it from the first
// request to the last; a second one passes on the body of a request that did not come with its head.
type conversation struct {
	session *session
	server  *Server
	routes  *routes
	client  stream
	from    arrival
	watch   watch
	own     []*nodeConn // connections that begin with a PROXY header: nobody else may use them

	debug    bool // requests are logged
	cut      bool // a response is not whole
	unread   bool // the client may still be sending a body
	requests int
	served   *service         // of the last request
	asked    *routing.Backend // by the last request
	up, down atomic.Int64
}

// converses says whether the client's requests are read here.
func (s *session) converses() bool {
	return !s.challenge && (s.front.redirect || readsHTTP(s.service.Service))
}

// converse answers requests until one side has enough. It is the session's last step.
func (s *session) converse() end {
	c := &conversation{session: s, server: s.server, routes: s.service.routes}
	c.watch.client, c.watch.look = s.client, s.server.times.events
	c.debug = s.server.Log.Enabled(context.Background(), slog.LevelDebug)
	if err := c.client.join(s.client, s.secure); err != nil {
		return endLeft
	}
	s.client.SetDeadline(time.Time{}) // before anybody else may end it by one
	c.from = newArrival(s)
	c.server.Metrics.http.connections.Inc()
	s.http.Store(c)
	if !s.probe && s.server.denied.has(s.source.Addr(), time.Now()) { // since it came
		c.watch.stop(endKilled)
	}
	panics := true
	defer func() {
		if panics {
			c.server.clerk.panicking()
		}
	}()
	why, upgraded := c.serve()
	panics = false
	c.watch.close()
	s.http.Store(nil)
	c.closeOwn()
	c.server.Metrics.http.connections.Dec()
	if !upgraded {
		c.leave(why)
	}
	return underway
}

func newArrival(s *session) arrival {
	a := arrival{proto: "http", host: s.service.topology.Cluster, client: []byte(s.source.Addr().String())}
	if s.secure != nil {
		a.proto = "https"
	}
	node := string(a.client)
	if s.source.Addr().Is6() { // RFC 7239, 6
		node = `"[` + node + `]"`
	}
	a.forwarded = []byte("for=" + node + ";proto=" + a.proto)
	return a
}

// serve answers one request after another. upgraded: the connection is the relay's now.
func (c *conversation) serve() (why end, upgraded bool) {
	for {
		if why := c.await(); why != underway {
			return why, false
		}
		x := newExchange(c)
		why, upgraded := x.run()
		x.giveBack()
		if why != underway || upgraded {
			return why, upgraded
		}
	}
}

// renew takes the settings of a reload for the requests to come. What was decided when the client connected stays.
func (c *conversation) renew() {
	s := c.session
	if s.front.next.Load() == nil {
		return
	}
	for next := s.front.next.Load(); next != nil; next = next.next.Load() {
		i := slices.IndexFunc(next.services, func(other *service) bool {
			return (other.routes != nil || next.redirect) && slices.Equal(other.ServerNames, s.service.ServerNames)
		})
		if i < 0 || next.redirect != s.front.redirect || next.endsTLS != s.front.endsTLS {
			return
		}
		s.front, s.service, c.routes = next, next.services[i], next.services[i].routes
	}
}

// await waits for the first byte of a request.
func (c *conversation) await() end {
	if len(c.client.unread()) > 0 {
		return underway
	}
	c.watch.enter(phaseIdle, c.server.times.idle)
	for {
		if c.ending() {
			return endDrained
		}
		err := c.client.fill()
		switch {
		case err == nil:
			return underway
		case isTimeout(err) && c.watch.stopped() == underway && c.client.disturbed():
			c.watch.clear(c.client.tcp) // a request crossed our goodbye: it is answered
		case isTimeout(err) && c.watch.stopped() == underway:
			return endDrained
		default:
			return c.broken(err)
		}
	}
}

// ending says whether no further request is to be waited for. One that has come is answered: its client could not know.
func (c *conversation) ending() bool {
	return (c.watch.bye.Load() || c.server.life.Err() != nil) && !c.client.disturbed()
}

// broken is what an error of the client's connection means.
func (c *conversation) broken(err error) end {
	switch why := c.watch.stopped(); {
	case why != underway:
		return why
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return endClient
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return endResetClient
	case isTimeout(err):
		return endSlow
	}
	return endResetClient
}

// head reads the head of a request: raw is valid until the client is read again. A problem is what the client is told if it
// cannot be had.
func (c *conversation) head() (raw []byte, p *problem, why end) {
	looked, waits := 0, 0
	for {
		b := c.client.unread()
		var whole int
		if whole, looked = wire.HeadEnd(b, looked); whole > 0 {
			return b[:whole], nil, underway
		}
		if len(b) > 0 && !wire.TokenByte(b[0]) {
			return nil, &problemHead, underway
		}
		if waits++; waits == 1 {
			c.watch.enter(phaseHead, c.server.times.head)
		}
		switch err := c.client.fill(); {
		case err == errFull:
			return nil, &problemLarge, underway
		case err != nil && c.watch.stopped() == endIdle:
			return nil, &problemSlow, underway
		case isTimeout(err) && c.watch.bye.Load() && c.watch.stopped() == underway:
			c.watch.clear(c.client.tcp)
		case err != nil:
			return nil, nil, c.broken(err)
		}
	}
}

// leave closes the client's connection: politely, unless it is broken already.
func (c *conversation) leave(why end) {
	s := c.session
	c.client.drop()
	c.logEnd(why)
	c.server.partings.note(why)
	switch {
	case c.cut: // without close_notify, and by a reset, so that nobody takes the response for whole
		s.client.SetLinger(0)
		s.client.Close()
	case why == endResetClient, why == endCut, why == endKilled, why == endClient && s.secure == nil:
		s.client.Close()
	case c.unread:
		linger(s.client, s.secure)
	case s.secure != nil:
		partSecure(s.secure, s.client, nil)
	default:
		part(s.client, nil)
	}
	s.server.over(s)
}

const (
	lingerTime  = 5 * time.Second // that a client has to read our last words while it still sends
	lingerBytes = 8 << 20
)

// linger ends our side and reads on what the client still sends: closing with unread input would send a reset, and the client would
// lose the answer.
func linger(c *net.TCPConn, secure *tls.Conn) {
	defer c.Close()
	if secure != nil {
		c.SetDeadline(time.Now().Add(partingTime))
		secure.CloseWrite()
	}
	c.SetDeadline(time.Now().Add(lingerTime))
	if c.CloseWrite() == nil {
		io.CopyN(io.Discard, c, lingerBytes)
	}
}
