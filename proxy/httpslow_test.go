package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"posthouse/config"
)

// TestHTTPSlow bounds what clients may take for a head, for a body and between requests.
func TestHTTPSlow(t *testing.T) {
	const short, long = 50 * time.Millisecond, time.Hour
	forRequest, forHead, forBody := httpTimes{short, long, long, long}, httpTimes{long, short, long, long}, httpTimes{long, long, short, long}
	for _, row := range []struct {
		name, say string
		times     httpTimes
		status    int // 0: no answer
		end       string
	}{
		{"no request", "", forRequest, 0, "idle"},
		{"half a request line", "GET /", forHead, 408, "slow"},
		{"half a head", "GET / HTTP/1.1\r\nHost: a\r\n", forHead, 408, "slow"},
		{"half a body", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", forBody, 0, "slow"},
		{"half a chunk", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc", forBody, 0, "slow"},
		{"half a long body", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc", forBody, 0, "slow"},
	} {
		r := newTimedRig(t, row.times, newNode(t, mute))
		c := r.connect()
		c.say(row.say)
		if row.status > 0 {
			if res, _ := c.response("GET"); res.StatusCode != row.status {
				t.Errorf("%s: %s, want %d", row.name, res.Status, row.status)
			}
		}
		c.hearEnd()
		r.expectEnd(row.end)
	}
}

// TestHTTPSlowDrip wants the bound of a head to count from its first byte, not from its last one.
func TestHTTPSlowDrip(t *testing.T) {
	r := newTimedRig(t, httpTimes{idle: time.Hour, head: 100 * time.Millisecond, body: time.Hour, events: time.Hour}, newNode(t, mute))
	c := r.connect()
	c.say("GET / HTTP/1.1\r\nHost: a\r\nX: ")
	drip := time.NewTicker(10 * time.Millisecond)
	defer drip.Stop()
	for began := time.Now(); time.Since(began) < patience; <-drip.C {
		if _, err := c.Write([]byte("y")); err != nil || len(r.log.sessions()) > 0 {
			break
		}
	}
	r.expectEnd("slow")
}

// TestHTTPSilentNode wants 504 from a node that never answers.
func TestHTTPSilentNode(t *testing.T) {
	r := newHTTPRig(t, func(s *config.Service) { s.Timeouts.Idle = 100 * time.Millisecond }, newNode(t, mute), newNode(t, responder))
	if res, _ := r.connect().ask(get("/")); res.StatusCode != 504 || !res.Close { // which is what we do
		t.Errorf("%s, close %t", res.Status, res.Close)
	}
	r.expectEnd("idle")
}

// TestHTTPSlowContinue has clients that wait for 100 before they send their body: they have no longer than others once it is there.
func TestHTTPSlowContinue(t *testing.T) {
	const short, long = 50 * time.Millisecond, time.Hour
	for _, body := range []string{"", "x"} {
		for _, length := range []int{1000, 1000_000} {
			r := newTimedRig(t, httpTimes{long, long, short, long}, newNode(t, func(c *net.TCPConn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
					io.Copy(io.Discard, c)
				}
			}))
			c := r.connect()
			c.say(fmt.Sprintf("PUT / HTTP/1.1\r\n"+hostField+"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", length))
			c.hear("HTTP/1.1 100 Continue\r\n\r\n")
			io.WriteString(c, body)
			c.hearEnd()
			r.expectEnd("slow")
		}
	}
}
