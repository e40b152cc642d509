package proxy

import (
	"bytes"
	"sync"
	"time"

	"posthouse/routing"
	"posthouse/wire"
)

// exchange is one request and its response.
type exchange struct {
	c       *conversation
	codec   *codec
	began   time.Time
	service *service
	ticket  ticket
	counted bool

	// Of the request.
	head     int // bytes in the buffer
	request  framing
	location string // of our redirect
	plain    bool   // a challenge, for the nodes' plain port
	http10   bool
	headOnly bool // HEAD: the response has no body
	safe     bool // it can be done twice (RFC 9110, 9.2.2)
	upgrade  bool // to WebSocket, if the node agrees
	last     bool // the client's connection ends with it
	name     []byte
	body     bool // bytes of its body may have been sent
	expect   bool // its client waits for 100 before it sends the body

	// Towards the node.
	candidates routing.Candidates
	node       *nodeConn
	upload     *upload
	nodeName   string // of the last node that was asked
	tries      int    // connections that were asked
	failures   int    // fresh ones that failed
	failed     string

	// Of the response.
	status   int
	response framing
	informed bool   // an interim response was passed on
	left     end    // the client could not be sent one; it is not the node's fault
	said     end    // what our own answer counts as
	why      string // for the log
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func newExchange(c *conversation) *exchange {
	x := exchanges.Get().(*exchange)
	x.c, x.codec = c, codecs.Get().(*codec)
	return x
}

// giveBack forgets everything but the memory that can be used again.
func (x *exchange) giveBack() {
	if x.codec != nil {
		x.codec.giveBack()
	}
	*x = exchange{name: x.name[:0]}
	exchanges.Put(x)
}

// run reads a request and answers it. An end other than underway ends the conversation.
func (x *exchange) run() (why end, upgraded bool) {
	c := x.c
	raw, p, why := c.head()
	if why != underway {
		return why, false
	}
	x.began = time.Now()
	x.last = true
	if p == nil {
		p = x.read(raw)
	}
	if p != nil {
		return x.answer(p), false
	}
	if why, upgraded = x.forward(); !upgraded {
		x.over(why)
	}
	return why, upgraded
}

// read finds out what a request wants, and prints it for the node. What it returns is our own answer.
func (x *exchange) read(raw []byte) *problem {
	c := x.c
	h, err := wire.CheckRequestHead(raw)
	if err != nil {
		x.why = err.Error()
		return &problemHead
	}
	c.requests++
	c.renew()
	x.head, x.last = len(raw), h.HTTP10 || h.Close
	x.note(&h)
	t, ok := splitTarget(h.Target)
	switch {
	case string(h.Method) == "CONNECT":
		x.last = true // what follows may be meant for the tunnel
		return &problemConnect
	case !ok:
		return &problemHead
	case c.session.front.redirect:
		return x.redirect(raw, &h, &t)
	}
	if p := x.route(&h, &t); p != nil {
		return p
	}
	return x.admit(raw, &h, &t)
}

// admit counts the request in and prints it.
func (x *exchange) admit(raw []byte, h *wire.RequestHead, t *target) *problem {
	x.count()
	if p := x.limit(); p != nil {
		return p
	}
	if err := x.codec.printRequest(raw, h, t, &x.c.from, x.upgrade); err != nil {
		x.why = err.Error()
		return &problemHead
	}
	x.consume()
	return x.takeBody()
}

// consume takes the head out of the buffer, once.
func (x *exchange) consume() {
	x.c.client.use(x.head)
	x.c.up.Add(int64(x.head))
	x.head = 0
}

// note keeps what is needed of the request when its bytes are gone.
func (x *exchange) note(h *wire.RequestHead) {
	x.request = framing{chunked: h.Chunked, left: max(h.Length, 0)}
	x.http10 = h.HTTP10
	x.headOnly = string(h.Method) == "HEAD"
	x.safe = repeatable(h.Method)
	// Other protocols than WebSocket would leave our routing and our limits: h2c, say, carries requests of its own.
	x.upgrade = h.Upgrade && h.WebSocket && !h.HTTP10 && !x.request.expected()
	x.expect = h.Expect && !h.HTTP10
	path, _, _ := bytes.Cut(h.Target, []byte{'?'})
	x.name = append(append(append(x.name[:0], h.Method...), ' '), path...)
}

// route finds the service, and wants the same one for the destination of a COPY or MOVE (RFC 4918, 9.8).
func (x *exchange) route(h *wire.RequestHead, t *target) *problem {
	r := x.c.routes
	if t.path[0] == '*' {
		x.service = r.whole()
		return nil
	}
	s, err := r.of(t.path)
	if err != nil {
		return problemOf(err)
	}
	x.service = s
	if h.Destination == nil {
		return nil
	}
	d, ok := splitTarget(h.Destination)
	if !ok {
		return &problemPath
	}
	switch other, err := r.of(d.path); {
	case err == errAmbiguous:
		return &problemPath
	case other != s:
		return &problemDestination
	}
	return nil
}

func problemOf(err error) *problem {
	if err == errNoService {
		return &problemNotFound
	}
	return &problemPath
}

// count counts the request as a session of its service.
func (x *exchange) count() {
	if !x.counted {
		x.counted = true
		x.c.served = x.service
		x.service.metrics.started.Inc()
		x.service.metrics.live.Inc()
	}
}

func (x *exchange) limit() *problem {
	s := x.c.session
	if s.probe {
		x.ticket = x.service.limiter.beginProbe()
		return nil
	}
	var ok bool
	if x.ticket, ok = x.service.limiter.begin(s.source.Addr(), x.began); !ok {
		return &problemLimit
	}
	return nil
}

// takeBody appends what has come of the body behind the head, so that a small request goes out in one piece.
func (x *exchange) takeBody() *problem {
	if !x.request.expected() {
		return nil
	}
	n, err := x.request.take(x.c.client.unread())
	x.codec.out = append(x.codec.out, x.c.client.unread()[:n]...)
	x.c.client.use(n)
	x.c.up.Add(int64(n))
	x.body = n > 0
	if err != nil {
		x.last = true
		x.why = err.Error()
		return &problemHead
	}
	return nil
}

// answer is our own. The connection ends with it if there may be a body that nobody reads.
func (x *exchange) answer(p *problem) end {
	x.consume()
	why := x.explain(p)
	x.over(why)
	return why
}

// explain tells the client our own answer.
func (x *exchange) explain(p *problem) end {
	last := x.lastNow() || p == &problemLate
	x.status, x.said = p.status, p.end
	x.codec.out = p.append(x.codec.out[:0], x.headOnly, last, x.location)
	if p == &problemSlow || p == &problemLate { // the deadlines have passed
		x.c.client.tcp.SetDeadline(time.Now().Add(partingTime))
	} else {
		x.c.watch.within(x.c.server.times.head)
	}
	if err := x.c.client.write(x.codec.out); err != nil {
		return x.c.broken(err)
	}
	if last {
		return p.end
	}
	return underway
}

// over counts the request out, once.
func (x *exchange) over(why end) {
	x.log(why)
	x.ticket.end()
	x.ticket = ticket{}
	if !x.counted {
		return
	}
	x.counted = false
	m := x.service.metrics
	m.live.Dec()
	switch {
	case x.said != underway:
		why = x.said
	case why == underway:
		why = endAnswered
	}
	m.ended(why)
	m.http.answered(x.status)
}
