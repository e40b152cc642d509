package proxy

import (
	"time"

	"posthouse/wire"
)

// respond passes the final response on. From its first byte on nothing can be taken back: a failure cuts the client's connection.
func (x *exchange) respond(raw []byte, h *wire.ResponseHead) (why end, upgraded bool) {
	x.status = h.Status
	x.service.metrics.http.answer.Observe(time.Since(x.began).Seconds())
	if h.Status == 101 {
		return x.switchProtocols(raw, h)
	}
	x.response = framingOf(h, x.headOnly)
	x.response.events = h.EventStream && x.response.expected()
	bare := h.Chunked && x.http10
	if x.response.untilEnd || bare {
		x.last = true
	}
	x.last = x.lastNow()
	if err := x.codec.printResponse(raw, h, x.last, bare); err != nil {
		x.why = err.Error()
		x.abandon()
		return x.explain(&problemAnswer), false
	}
	// A goodbye may touch the connection of a stream of events at any moment.
	reusable := !h.HTTP10 && !x.response.events && !h.Close && !x.response.untilEnd
	x.c.down.Add(int64(len(raw)))
	x.node.use(len(raw))
	return x.pass(bare, reusable), false
}

// lastNow says whether the client's connection ends with this response. A client that still sends its body, because the node
// answered early, would have to send all of it before its next request.
func (x *exchange) lastNow() bool {
	unread := false
	if x.upload != nil {
		unread = !x.upload.settled()
	} else {
		unread = x.request.expected()
	}
	x.c.unread = unread
	return x.last || unread || x.c.watch.bye.Load()
}

func framingOf(h *wire.ResponseHead, toHead bool) framing {
	switch {
	case h.Bodiless(toHead):
		return framing{}
	case h.Chunked:
		return framing{chunked: true}
	case h.Length >= 0:
		return framing{left: h.Length}
	}
	return framing{untilEnd: true}
}

// pass relays the head that is printed, and the body.
func (x *exchange) pass(bare, reusable bool) end {
	if why := x.passBody(bare, reusable); why != underway {
		x.c.cut = why != endDrained
		x.abandon()
		return why
	}
	if uploaded := x.endUpload(); x.node != nil {
		x.release(reusable && uploaded)
	}
	switch {
	case x.last && x.response.events && x.c.watch.bye.Load():
		return endDrained
	case x.last:
		return endAnswered
	}
	return underway
}

// passBody sends the head with what has come of the body, and then the rest as it comes.
func (x *exchange) passBody(bare, reusable bool) end {
	out, err := x.appendBody(x.codec.out, bare)
	x.codec.out = out
	if err == nil && x.upload == nil && !x.response.expected() {
		x.release(reusable) // the next request need not wait until the client has read this
	}
	if why := x.send(out); why != underway {
		return why
	}
	if err != nil {
		return x.cutShort(err)
	}
	if !x.response.expected() {
		return underway
	}
	if x.response.events {
		x.c.watch.enter(phaseEvents, x.service.Timeouts.Idle)
	}
	x.codec.giveBack() // a stream may last for hours
	x.codec = nil
	if !bare && !x.response.chunked && !x.response.events && x.response.left >= bulkLeast {
		return x.passBulk()
	}
	return x.passPieces(bare)
}

// appendBody appends what is buffered of the body.
func (x *exchange) appendBody(out []byte, bare bool) ([]byte, error) {
	b := x.node.unread()
	if len(b) == 0 || !x.response.expected() {
		return out, nil
	}
	var n int
	var err error
	if bare {
		out, n, err = x.response.strip(out, b)
	} else {
		n, err = x.response.take(b)
		out = append(out, b[:n]...)
	}
	x.node.use(n)
	x.c.down.Add(int64(n))
	return out, err
}

func (x *exchange) send(out []byte) end {
	if err := x.c.client.write(out); err != nil {
		return x.c.broken(err)
	}
	return underway
}
