package proxy

import (
	"io"
	"net"
	"testing"
	"time"
)

// movers are two streams that a body is moved between, and their other ends.
func movers(t *testing.T) (from, to *stream, client, node *net.TCPConn) {
	t.Helper()
	from, to = new(stream), new(stream)
	nearFrom, client := tcpPair(t)
	nearTo, node := tcpPair(t)
	for _, c := range []*net.TCPConn{nearFrom, client, nearTo, node} {
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
	}
	if from.join(nearFrom, nil) != nil || to.join(nearTo, nil) != nil {
		t.Fatal("no streams")
	}
	return from, to, client, node
}

// TestHTTPSlowUpload moves a long body that comes slowly, but is never silent for too long.
func TestHTTPSlowUpload(t *testing.T) {
	const body = "0123456789"
	from, to, client, node := movers(t)
	left, waits := int64(len(body)), 0
	m := mover{from: from, to: to, left: &left, moved: func(int64) {}, wait: func() {
		waits++
		from.tcp.SetReadDeadline(time.Now().Add(patience))
		io.WriteString(client, body[waits-1:waits])
		go func() { // its time is over when it has sent no more than a byte
			io.ReadFull(node, make([]byte, 1))
			from.tcp.SetReadDeadline(past)
		}()
	}}
	if _, err := m.all(); err != nil || left > 0 {
		t.Errorf("%v with %d bytes left", err, left)
	}
	left = 1
	m.wait = func() { from.tcp.SetReadDeadline(past) }
	if reading, err := m.all(); !reading || !isTimeout(err) {
		t.Errorf("silence: reading %t, %v", reading, err)
	}
}

// TestHTTPStoppedUpload stops an upload that is about to wait for its client.
func TestHTTPStoppedUpload(t *testing.T) {
	from, to, client, _ := movers(t)
	c := &conversation{client: *from}
	u := &upload{x: &exchange{c: c, node: &nodeConn{stream: *to}}, done: make(chan struct{})}
	u.x.upload = u
	c.watch.client = from.tcp
	stopping := make(chan struct{})
	go func() {
		defer close(stopping)
		u.x.stopUpload()
	}()
	eventually(t, "the stop", func() bool { return u.stopped.Load() })
	u.wait(time.Hour)
	defer time.AfterFunc(patience, func() { client.Close() }).Stop()
	if _, err := from.tcp.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("it went on to wait: %v", err)
	}
	close(u.done)
	<-stopping
}
