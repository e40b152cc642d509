package proxy

import (
	"cmp"
	"errors"

	"golang.org/x/sys/unix"

	"posthouse/wire"
)

// forward brings a request to a node and its response to the client. Until the response's first byte goes to the client another
// connection may take the request over, as far as nothing can be done twice.
func (x *exchange) forward() (why end, upgraded bool) {
	x.c.watch.enter(phaseBusy, x.service.Timeouts.Idle)
	p := x.connect()
	for p == nil {
		x.tries++
		err := x.ask()
		if err == nil {
			var raw []byte
			var h wire.ResponseHead
			if raw, h, err = x.hear(); err == nil {
				return x.respond(raw, &h)
			}
		}
		if why := x.hopeless(); why != underway {
			x.abandon()
			return why, false
		}
		p = x.recover(err)
	}
	if p == &problemLeft {
		return cmp.Or(x.c.watch.stopped(), endLeft), false
	}
	return x.explain(p), false
}

// hopeless is why there is nobody to answer to any more.
func (x *exchange) hopeless() end {
	why := x.c.watch.stopped()
	switch {
	case why != underway && why != endIdle:
		return why
	case x.left != underway:
		return x.left
	case x.upload != nil:
		return end(x.upload.lost.Load())
	}
	return underway
}

// ask sends the request.
func (x *exchange) ask() error {
	n := x.node
	more := x.request.expected()
	err := n.ask(x.codec.out, more, n.fresh)
	if err == nil && more {
		x.body = true
		x.upload = startUpload(x)
	}
	return err
}

var (
	errSpokeFirst = errors.New("the node spoke first")
	errAnswer     = errors.New("bad response")
)

// hear waits for the head of the final response, and passes those before it on.
func (x *exchange) hear() (raw []byte, h wire.ResponseHead, err error) {
	for {
		if raw, err = x.node.head(); err != nil {
			return nil, h, err
		}
		if h, err = wire.CheckResponseHead(raw); err != nil {
			x.why = err.Error()
			return nil, h, errAnswer
		}
		switch {
		case h.Status == 101 && !x.upgrade:
			x.why = "it switches protocols unasked"
			return nil, h, errAnswer
		case h.Status >= 200 || h.Status == 101:
			return raw, h, nil
		}
		if err := x.inform(raw, &h); err != nil {
			return nil, h, err
		}
	}
}

// inform passes an interim response on (RFC 9110, 15.2), which HTTP/1.0 does not know.
func (x *exchange) inform(raw []byte, h *wire.ResponseHead) error {
	if !x.http10 {
		out := x.codec.out
		x.codec.out = nil // the request is kept: nothing has been answered yet
		err := x.codec.printResponse(raw, h, false, false)
		if err == nil {
			if err = x.c.client.write(x.codec.out); err != nil {
				x.left = x.c.broken(err)
			}
		}
		x.codec.out = out
		if err != nil {
			return err
		}
		x.informed = true
	}
	if h.Status == 100 && x.upload != nil {
		x.upload.continued()
	}
	x.c.down.Add(int64(len(raw)))
	x.node.use(len(raw))
	return nil
}

// head is the next head that the node sends, valid until more is read.
func (n *nodeConn) head() ([]byte, error) {
	looked := 0
	for {
		if b := n.unread(); len(b) > 0 {
			var whole int
			if whole, looked = wire.HeadEnd(b, looked); whole > 0 {
				return b[:whole], nil
			}
		}
		if err := n.fill(); err != nil {
			if err == errFull {
				err = errAnswer
			}
			return nil, err
		}
	}
}

// recover decides what follows a failure: nil is another connection, in x.node.
func (x *exchange) recover(err error) *problem {
	n := x.node
	f := fate{
		stale: err == errStale, fresh: n.fresh, safe: x.safe, body: x.body, failures: x.failures,
		answered: err == errAnswer || x.informed || len(n.unread()) > 0,
		timedOut: x.c.watch.stopped() == endIdle,
	}
	if f.stale && f.fresh {
		err = errSpokeFirst
	}
	x.remember(n, err)
	b, key := n.backend, n.key
	x.stopUpload()
	x.c.watch.detach()
	n.close()
	x.node = nil
	verdict := f.decide()
	if n.fresh && !f.timedOut {
		x.failures++
		x.service.metrics.failed(stageResponse)
		x.server().suspect(b)
	}
	switch verdict {
	case again:
		x.service.metrics.http.retries.Inc()
		if !f.stale {
			x.server().pools.flush(key)
		}
		return x.reconnect(b)
	case another:
		x.service.metrics.http.retries.Inc()
		b.End()
		return x.next()
	}
	b.End()
	switch {
	case f.timedOut:
		return &problemLate
	case err == errAnswer || f.answered && !x.informed:
		return &problemAnswer
	}
	return &problemNode
}

// remember notes a failure for the log.
func (x *exchange) remember(n *nodeConn, err error) {
	reason := "answer"
	switch {
	case errors.Is(err, errStale):
		reason = "stale"
	case errors.Is(err, errNotSent), errors.Is(err, unix.EPIPE):
		reason = "not-sent"
	case errors.Is(err, errSpokeFirst):
		reason = "spoke-first"
	case !errors.Is(err, errAnswer):
		_, reason = judgeRead(err)
	}
	x.noteFailed(n.backend.Node.Name + ":" + reason)
}

func (x *exchange) noteFailed(words string) {
	if x.failed != "" && words != "" {
		x.failed += " "
	}
	x.failed += words
}

// abandon closes the node's connection in the middle of something.
func (x *exchange) abandon() {
	n := x.node
	if n == nil {
		return
	}
	x.stopUpload()
	x.c.watch.detach()
	n.backend.End()
	n.close()
	x.node = nil
}

func (x *exchange) server() *Server { return x.c.server }
