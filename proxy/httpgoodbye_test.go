package proxy

import (
	"io"
	"testing"
	"time"
)

// TestHTTPRequestCrossesGoodbye wants an answer to a request that its client sent before it could know of our goodbye.
func TestHTTPRequestCrossesGoodbye(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, responder))
	near, far := tcpPair(t)
	defer near.Close()
	defer far.Close()
	c := &conversation{server: r.server}
	c.watch.client = near
	if err := c.client.join(near, nil); err != nil {
		t.Fatal(err)
	}
	defer c.watch.close()
	defer c.client.drop()
	c.watch.enter(phaseIdle, time.Hour)
	io.WriteString(far, get("/"))
	eventually(t, "the request", c.client.disturbed)
	if !c.watch.goodbye(false) {
		t.Fatal("no goodbye between two requests")
	}
	if why := c.await(); why != underway {
		t.Errorf("the request was not waited for: %v", why)
	}
	c.client.drop()
	if why := c.await(); why != endDrained {
		t.Errorf("without another one: %v, want drained", why)
	}
}

// TestHTTPSilentEventsEnd says goodbye to a stream that has had no event yet: it need not be cut.
func TestHTTPSilentEventsEnd(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, events(nil)))
	c := r.connect()
	c.say(get("/"))
	c.hear(eventHead)
	eventually(t, "a stream of events", func() bool {
		all := r.server.live.conversing()
		return len(all) == 1 && phase(all[0].watch.phase.Load()) == phaseEvents
	})
	r.server.live.conversing()[0].watch.goodbye(true)
	c.hear("0\r\n\r\n")
	c.hearEnd()
	r.expectEnd("drained")
}
