package proxy

import (
	"time"

	"posthouse/proxy/relay"
	"posthouse/routing"
	"posthouse/wire"
)

// switchProtocols makes the client's connection the relay's, after a response 101 to a request that asked for it (RFC 9110, 7.8). What
// is spoken from then on is not read here.
func (x *exchange) switchProtocols(raw []byte, h *wire.ResponseHead) (why end, upgraded bool) {
	c, n := x.c, x.node
	if err := x.codec.printResponse(raw, h, false, false); err != nil {
		x.why = err.Error()
		x.abandon()
		return x.explain(&problemAnswer), false
	}
	c.down.Add(int64(len(raw)))
	n.use(len(raw))
	first := append(x.codec.out, n.unread()...)
	c.down.Add(int64(len(n.unread())))
	n.drop()
	if early := c.client.unread(); len(early) > 0 { // frames behind the request
		c.up.Add(int64(len(early)))
		if err := n.write(early); err != nil {
			x.abandon()
			return endNode, false
		}
		c.client.drop()
	}
	if err := c.client.write(first); err != nil { // still watched: the client may not read
		x.abandon()
		return c.broken(err), false
	}
	if !c.watch.retire() {
		x.abandon()
		return c.watch.stopped(), false
	}
	x.hand()
	return underway, true
}

// hand gives both connections to a relay, and the exchange's accounts to its end.
func (x *exchange) hand() {
	c, n, s := x.c, x.node, x.c.session
	u := &upgraded{c: c, service: x.service, backend: n.backend, ticket: x.ticket, began: x.began, name: string(x.name)}
	address := n.key.address // alone: the connection's buffers are not to be kept
	s.service, s.backend, s.address = x.service, n.backend, &address
	s.client.SetDeadline(time.Time{})
	n.tcp.SetDeadline(time.Time{})
	client, node := side{s.client, s.secure}, side{n.tcp, n.secure}
	s.follow(s.server.join(client, node, said{}, s.service.Timeouts.Idle, u))
	s.killIfDenied()
}

// upgraded is what is left of an exchange while the relay has its connections.
type upgraded struct {
	c       *conversation
	service *service
	backend *routing.Backend
	ticket  ticket
	began   time.Time
	name    string
}

// Ended is called on a thread of the relay that other sessions wait for.
func (u *upgraded) Ended(r relay.Result) { go u.conclude(r) }

func (u *upgraded) conclude(r relay.Result) {
	u.backend.End()
	u.ticket.end()
	u.c.up.Add(r.Up)
	u.c.down.Add(r.Down)
	why := u.c.session.ended(r.End)
	m := u.service.metrics
	m.live.Dec()
	m.ended(why)
	m.http.answered(101)
	u.c.logEnd(why)
	u.c.server.over(u.c.session)
}
