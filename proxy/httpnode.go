package proxy

import (
	"slices"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

// problemLeft stands for a client that has gone, or must go: nobody is told.
var problemLeft = problem{end: endLeft}

// connect finds the connection for a request: one that this client has for itself, one of the pool of the node that routing
// chooses, or a new one.
func (x *exchange) connect() *problem {
	s := x.c.session
	x.candidates = x.server().Router.Table().Route(routing.Request{
		Service: x.service.Name, Client: s.source.Addr(), Relayed: s.relayed,
	})
	if n := x.takeOwn(); n != nil {
		return x.use(n, n.backend)
	}
	return x.next()
}

// next goes on to the next candidate.
func (x *exchange) next() *problem {
	for b := x.candidates.Next(); b != nil; b = x.candidates.Next() {
		if x.tries > 0 && x.server().Router.Table().Barred(b) != "" || !b.Begin() {
			continue
		}
		return x.reconnect(b)
	}
	return x.noNode()
}

// noNode is our answer where no node takes the request. The client's connection ends with it if a reload took its service away or made
// another one of it (see session.another): its next one is of the new kind.
func (x *exchange) noNode() *problem {
	s := x.c.session
	s.service = x.service
	x.last = x.last || s.changed(x.server().Router.Table())
	return &problemNoNode
}

// reconnect takes a connection to a backend that has counted the request in: from its pool, or a new one.
func (x *exchange) reconnect(b *routing.Backend) *problem {
	if shared(b) && !x.plain {
		for _, a := range b.Addrs {
			if n := x.server().pools.take(poolKey{a, x.service.Name}); n != nil {
				return x.use(n, b)
			}
		}
	}
	return x.dial(b)
}

// shared says whether connections to a backend may carry the requests of several clients: they begin with no PROXY header.
func shared(b *routing.Backend) bool { return b.Proxy == config.ProxyNone && !b.Node.Balancer }

// use makes a connection the one of this request.
func (x *exchange) use(n *nodeConn, b *routing.Backend) *problem {
	n.backend = b
	x.node, x.nodeName, x.c.asked = n, b.Node.Name, b
	if !x.c.watch.attach(flight{n.tcp, b, x.began}) {
		x.abandon()
		return &problemLeft
	}
	return nil
}

// dial walks from a backend that has counted the request in to the first candidate that takes a connection.
func (x *exchange) dial(b *routing.Backend) *problem {
	s := x.c.session
	s.service = x.service
	table, era := x.server().Router.Table(), x.server().pools.now()
	if x.service.topology != table.File() {
		era = noEra
	}
	w := newWalk(s, table)
	w.begun, w.candidates = b, x.candidates
	if x.plain {
		w.plain, w.node, w.mode = true, nil, commitOnConnect
	}
	a, why := w.run()
	x.candidates = w.candidates
	x.noteFailed(w.failed.String())
	switch why {
	case underway:
	case endLeft:
		return &problemLeft
	case endShutdown:
		return &problemShutdown
	default:
		return x.noNode()
	}
	a.conn.SetDeadline(time.Time{})
	n, err := newNodeConn(a.conn, a.secure, poolKey{a.address, x.service.Name}, era)
	if err != nil {
		a.leave()
		return &problemNoNode
	}
	return x.use(n, a.backend)
}

// release is called when a response has been read to its end. clean: nothing is on its way on the node's connection, and the
// node keeps it.
func (x *exchange) release(clean bool) {
	n := x.node
	x.node = nil
	b := n.backend
	clean = x.c.watch.detach() && clean && n.in == nil
	b.End()
	switch {
	case !clean, x.plain:
		n.close()
	case shared(b):
		n.large = false
		x.server().pools.put(n)
	default:
		x.c.keep(n)
	}
}

// maxOwn is how many connections that begin with a PROXY header a client keeps: one for each service that browsers use at a time.
const maxOwn = 4

// keep puts a connection by that only this client may use.
func (c *conversation) keep(n *nodeConn) {
	n.fresh, n.large = false, false
	if len(c.own) == maxOwn {
		c.own[0].close()
		c.own = slices.Delete(c.own, 0, 1)
	}
	c.own = append(c.own, n)
}

// takeOwn returns the connection that this client has for the service, if its node may still be used. It has counted the request in.
func (x *exchange) takeOwn() *nodeConn {
	c := x.c
	i := slices.IndexFunc(c.own, func(n *nodeConn) bool { return n.key.service == x.service.Name })
	if i < 0 {
		return nil
	}
	n := c.own[i]
	c.own = slices.Delete(c.own, i, i+1)
	if n.era != c.server.pools.now() || !c.open(n.backend) || !n.backend.Begin() {
		n.close()
		return nil
	}
	return n
}

// open says whether routing would still send sessions to a backend. A reload makes a new era, so its node is the table's; a mark does not.
func (c *conversation) open(b *routing.Backend) bool {
	table := c.server.Router.Table()
	return table.Health(b.Target()).State.Usable() && table.Barred(b) == ""
}

func (c *conversation) closeOwn() {
	for _, n := range c.own {
		n.close()
	}
	c.own = nil
}
