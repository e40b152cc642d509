package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestHTTPPipelined(t *testing.T) {
	r := newHTTPRig(t, nil, named(t, "node"))
	c := r.connect()
	c.say(get("/1") + "POST /2 HTTP/1.1\r\n" + hostField + "Content-Length: 3\r\n\r\nabc" +
		"POST /3 HTTP/1.1\r\n" + hostField + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + get("/4"))
	for i, want := range []string{"node GET /1", "node POST /2", "node POST /3", "node GET /4"} {
		if _, body := c.response("GET"); body != want {
			t.Errorf("answer %d = %q, want %q", i+1, body, want)
		}
	}
}

// TestHTTPBodilessResponses wants the next response to be found behind those without a body.
func TestHTTPBodilessResponses(t *testing.T) {
	for _, row := range []struct{ method, answer string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"DELETE", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"x\"\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		r := newHTTPRig(t, nil, newNode(t, answers(nil, row.answer, answered("next"))))
		c := r.connect()
		res, body := c.ask(row.method + " / HTTP/1.1\r\n" + hostField + "\r\n")
		if !strings.Contains(row.answer, res.Status) || body != "" {
			t.Errorf("%s, %q: %s %q", row.method, row.answer, res.Status, body)
		}
		if _, body := c.ask(get("/")); body != "next" {
			t.Errorf("%s, %q: then %q", row.method, row.answer, body)
		}
		c.Close()
	}
}

func TestHTTPResponseUntilClose(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, answers(nil, "HTTP/1.1 200 OK\r\n\r\nall of it")), newNode(t, mute))
	c := r.connect()
	res, body := c.ask(get("/"))
	if !res.Close || body != "all of it" {
		t.Errorf("close %t, %q", res.Close, body)
	}
	c.hearEnd()
	r.expectEnd("answered")
}

func TestHTTPTrailers(t *testing.T) {
	heads := make(chan string, 1)
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		b := bufio.NewReader(c)
		head, _ := readHead(b)
		for !strings.HasSuffix(head, "0\r\nX-Sum: 1\r\n\r\n") {
			line, err := b.ReadString('\n')
			if err != nil {
				break
			}
			head += line
		}
		heads <- head
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTrailer: X-Check\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-Check: ok\r\n\r\n")
		io.Copy(io.Discard, c)
	}))
	c := r.connect()
	c.say("POST / HTTP/1.1\r\n" + hostField + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n")
	c.say("0\r\nX-Sum: 1\r\n\r\n")
	if head := <-heads; !strings.HasSuffix(head, "\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n") || !strings.Contains(head, "Trailer: X-Sum") {
		t.Errorf("the node got %q", head)
	}
	res, body := c.response("POST")
	if body != "hello" || res.Trailer.Get("X-Check") != "ok" {
		t.Errorf("%q, trailer %v", body, res.Trailer)
	}
}

// TestHTTPChunkSmuggling wants bad chunks to end the connection, and what is hidden in them never to be answered.
func TestHTTPChunkSmuggling(t *testing.T) {
	for _, body := range []string{
		"3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "0\n\n", "3 \r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n",
		"3\r\nabcd\r\n0\r\n\r\n", "ffffffffffffffff\r\nabc", "3;\x00\r\nabc\r\n0\r\n\r\n", "0\r\nContent-Length: 9\r\n\r\n",
		"0\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", "1;a\rb\r\nx\r\n0\r\n\r\n",
	} {
		for _, split := range []bool{false, true} {
			heads := make(chan string, 9)
			r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
				b := bufio.NewReader(c)
				for {
					head, ok := readHead(b)
					if !ok {
						return
					}
					heads <- head
				}
			}))
			c := r.connect()
			head := "POST / HTTP/1.1\r\n" + hostField + "Transfer-Encoding: chunked\r\n\r\n"
			if split {
				c.say(head)
				<-heads
				c.say(body + get("/hidden"))
			} else {
				c.say(head + body + get("/hidden"))
			}
			rest, _ := c.hearRest()
			if strings.Contains(rest, " 200 ") || !split && !strings.HasPrefix(rest, "HTTP/1.1 400 ") {
				t.Errorf("%q, split %t: %q", body, split, rest)
			}
			r.ended(1)
			select {
			case head := <-heads:
				if strings.Contains(head, "hidden") {
					t.Errorf("%q, split %t: the node was asked %q", body, split, head)
				}
			default:
			}
		}
	}
}

func TestHTTP10(t *testing.T) {
	heads := make(chan string, 1)
	r := newHTTPRig(t, nil, newNode(t, answers(heads, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n")))
	c := r.connect()
	c.say("GET / HTTP/1.0\r\n\r\n")
	rest, err := c.hearRest()
	if want := "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde"; rest != want || err != nil {
		t.Errorf("heard %q, %v, want %q", rest, err, want)
	}
	if head := <-heads; !strings.HasPrefix(head, "GET / HTTP/1.1\r\nHost: mail.example.org\r\n") {
		t.Errorf("the node was asked %q", head)
	}
}

// TestHTTP10Head tells no client of HTTP/1.0 of chunks, also where there are none.
func TestHTTP10Head(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, answers(nil, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")))
	c := r.connect()
	c.say("HEAD / HTTP/1.0\r\n\r\n")
	c.hear("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	c.hearEnd()
}

func TestHTTPDestination(t *testing.T) {
	r := newPathRig(t, named(t, "jmap"), named(t, "webdav"), named(t, "http"))
	for _, row := range []struct {
		destination string
		status      int
	}{
		{"/dav/b", 200}, {"http://mail.example.org/dav/b%20c", 200}, {"https://mail.example.org/dav/b", 200},
		{"/jmap/b", 502}, {"http://mail.example.org/", 502}, {"/dav/../jmap", 400}, {"/dav/%2e%2e/jmap", 400}, {"dav/b", 400}, {"/dav/%00", 400},
		{"mailto:a@b", 400},
	} {
		c := r.connect()
		res, _ := c.ask("MOVE /dav/a HTTP/1.1\r\n" + hostField + "Destination: " + row.destination + "\r\n\r\n")
		if res.StatusCode != row.status {
			t.Errorf("MOVE to %s: %d, want %d", row.destination, res.StatusCode, row.status)
		}
		c.Close()
	}
}

func TestHTTPMethods(t *testing.T) {
	r := newPathRig(t, named(t, "jmap"), named(t, "webdav"), named(t, "http"))
	c := r.connect()
	for _, method := range []string{"OPTIONS", "PROPFIND", "REPORT", "MKCALENDAR", "LOCK", "VERSION-CONTROL", "M!#$%&'*+-.^_`|~"} {
		if _, body := c.ask(method + " /dav/ HTTP/1.1\r\n" + hostField + "\r\n"); body != "webdav "+method+" /dav/" {
			t.Errorf("%s: %q", method, body)
		}
	}
	if res, _ := c.ask("OPTIONS * HTTP/1.1\r\n" + hostField + "\r\n"); res.StatusCode != 200 {
		t.Errorf("OPTIONS *: %s", res.Status)
	}
	if res, _ := r.connect().ask("CONNECT mail.example.org:25 HTTP/1.1\r\n" + hostField + "\r\n"); res.StatusCode != 501 || !res.Close {
		t.Errorf("CONNECT: %s, close %t", res.Status, res.Close)
	}
}

// TestHTTPContinue wants the node's word on a body before it is sent.
func TestHTTPContinue(t *testing.T) {
	r := newHTTPRig(t, nil, handler(t, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		body, _ := io.ReadAll(q.Body)
		fmt.Fprintf(w, "got %s", body)
	}))
	c := r.connect()
	c.say("PUT /yes HTTP/1.1\r\n" + hostField + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	c.hear("HTTP/1.1 100 Continue\r\n\r\n")
	c.say("hello")
	if _, body := c.response("PUT"); body != "got hello" {
		t.Errorf("%q", body)
	}
	res, _ := c.ask("PUT /no HTTP/1.1\r\n" + hostField + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if res.StatusCode != 403 || !res.Close {
		t.Errorf("%s, close %t", res.Status, res.Close)
	}
	c.hearEnd()
}

// TestHTTPEarlyResponse wants an answer to reach a client that is still sending.
func TestHTTPEarlyResponse(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		readHead(bufio.NewReader(io.LimitReader(c, 200)))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
	}))
	c := r.connect()
	c.say("PUT / HTTP/1.1\r\n" + hostField + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1000))
	res, body := c.response("PUT")
	if res.StatusCode != 413 || body != "big" || !res.Close {
		t.Errorf("%s %q", res.Status, body)
	}
	c.hearEnd()
}
