package proxy

import (
	"errors"
	"sync/atomic"
	"time"
)

// upload passes on the body of a request that did not come whole with its head, while the exchange waits for the answer: a node may
// answer early, or only when it has read everything, or say 100 first. Until done is closed the upload alone reads the client, and
// writes to the node.
type upload struct {
	x     *exchange
	done  chan struct{}
	whole atomic.Bool   // all of the body was read from the client
	lost  atomic.Uint32 // an end: the client left, was too slow, or sent what cannot be read
	sent  bool          // all of it went to the node; valid when done is closed

	goOn    atomic.Bool // the client was told to send it
	stopped atomic.Bool // nobody is to wait for the client any more
}

var (
	errBody          = errors.New("the body's framing cannot be read")
	errUploadStopped = errors.New("the conversation has ended")
)

func startUpload(x *exchange) *upload {
	u := &upload{x: x, done: make(chan struct{})}
	go u.run()
	return u
}

func (u *upload) run() {
	defer close(u.done)
	reading, err := u.pass()
	switch {
	case err == nil:
		u.sent = true
	case reading:
		u.lost.Store(uint32(u.why(err)))
		u.x.node.tcp.SetReadDeadline(past) // so that the exchange hears of it
	}
}

// why is what an error of the client's side means.
func (u *upload) why(err error) end {
	switch {
	case err == errBody:
		return endRequest
	case isTimeout(err):
		return endSlow
	}
	return endClient
}

// pass returns which side an error is of.
func (u *upload) pass() (reading bool, err error) {
	x := u.x
	request, client, patience := &x.request, &x.c.client, x.c.server.times.body
	if x.expect && len(client.unread()) == 0 { // the client waits as well
		u.wait(x.service.Timeouts.Idle)
		if u.goOn.Load() { // by now
			u.wait(patience)
		}
		if err := u.read(); err != nil {
			return true, err
		}
	}
	if !request.chunked && request.left >= bulkLeast {
		u.wait(patience)
		m := mover{from: client, to: &x.node.stream, left: &request.left, wait: func() { u.wait(patience) }, moved: u.moved}
		if reading, err = m.all(); err == nil {
			u.whole.Store(true)
		}
		return reading, err
	}
	for request.expected() {
		if len(client.unread()) == 0 {
			u.wait(patience)
			if err := u.read(); err != nil {
				return true, err
			}
		}
		if err := u.passPiece(); err != nil {
			return err == errBody, err
		}
	}
	return false, nil
}

func (u *upload) read() error {
	if u.x.c.watch.stopped() != underway {
		return errUploadStopped
	}
	return u.x.c.client.fill()
}

// continued is called when the client was told to send what it holds back: it has no longer than others from then on.
func (u *upload) continued() {
	u.goOn.Store(true)
	u.wait(u.x.c.server.times.body)
}

// passPiece passes on what is buffered.
func (u *upload) passPiece() error {
	request, client := &u.x.request, &u.x.c.client
	b := client.unread()
	n, bad := request.take(b)
	if bad == nil && !request.expected() {
		u.whole.Store(true)
	}
	if err := u.x.node.write(b[:n]); err != nil {
		return err
	}
	client.large = n == len(client.in.data)
	client.use(n)
	u.moved(int64(n))
	if bad != nil {
		return errBody
	}
	return nil
}

func (u *upload) moved(n int64) {
	u.x.c.up.Add(n)
	u.x.c.watch.within(u.x.service.Timeouts.Idle)
}

// wait bounds the next read from the client.
func (u *upload) wait(limit time.Duration) {
	u.x.c.client.tcp.SetReadDeadline(time.Now().Add(limit))
	if u.stopped.Load() || u.x.c.watch.stopped() != underway {
		u.x.c.client.tcp.SetReadDeadline(past)
	}
}

// settleTime is how long an answer waits for the upload to notice that it has sent everything: less, and on a busy machine answers to whole
// uploads end the connection of their client; more, and answers that do come early come late.
const settleTime = 25 * time.Millisecond

// settled says whether the client has sent all of its body.
func (u *upload) settled() bool {
	if u.whole.Load() {
		return true
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-u.done:
	case <-timer.C:
	}
	return u.whole.Load()
}

// endUpload is called when the response is complete. It says whether all of the request went to the node.
func (x *exchange) endUpload() bool {
	u := x.upload
	if u == nil {
		return true
	}
	if u.whole.Load() {
		x.node.tcp.SetWriteDeadline(time.Now().Add(partingTime))
		<-u.done
		x.node.tcp.SetWriteDeadline(time.Time{})
	}
	x.stopUpload()
	return u.sent
}

// stopUpload returns when the upload does not touch anything any more.
func (x *exchange) stopUpload() {
	u := x.upload
	if u == nil {
		return
	}
	select {
	case <-u.done:
	default:
		u.stopped.Store(true) // first: wait looks at it last
		x.c.client.tcp.SetReadDeadline(past)
		x.node.tcp.SetDeadline(past)
		<-u.done
	}
	x.c.client.large = false
	x.c.watch.clear(x.c.client.tcp)
}
