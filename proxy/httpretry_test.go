package proxy

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"posthouse/config"
)

func TestFate(t *testing.T) {
	for _, row := range []struct {
		name string
		fate fate
		want verdict
	}{
		{"stale before anything was sent, POST", fate{stale: true}, again},
		{"stale before anything was sent, GET", fate{stale: true, safe: true}, again},
		{"a fresh node spoke first, GET", fate{stale: true, fresh: true, safe: true}, another},
		{"a fresh node spoke first, POST", fate{stale: true, fresh: true}, another},
		{"kept, closed on GET", fate{safe: true}, again},
		{"kept, closed on POST", fate{}, giveUp},
		{"kept, closed on PUT with a body", fate{safe: true, body: true}, giveUp},
		{"fresh, closed on GET", fate{fresh: true, safe: true}, another},
		{"fresh, closed on GET for the second time", fate{fresh: true, safe: true, failures: 1}, giveUp},
		{"fresh, closed on POST", fate{fresh: true}, giveUp},
		{"the answer has begun", fate{safe: true, answered: true}, giveUp},
		{"silent until idle", fate{safe: true, timedOut: true}, giveUp},
	} {
		if got := row.fate.decide(); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

// once answers one request on each connection, and takes a second one without an answer.
func once(seen *counter, text string) script {
	return func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		if _, ok := readHead(r); !ok {
			return
		}
		seen.add()
		io.WriteString(c, text)
		if _, ok := readHead(r); ok {
			seen.add()
		}
	}
}

type counter struct {
	mu sync.Mutex // guards the following
	n  int
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *counter) value() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// TestHTTPRetriesOnKeptConnection has a node that hangs up on the second request of each connection.
func TestHTTPRetriesOnKeptConnection(t *testing.T) {
	for _, row := range []struct {
		request string
		status  int
		seen    int
	}{
		{"GET / HTTP/1.1\r\n" + hostField + "\r\n", 200, 3},
		{"PROPFIND / HTTP/1.1\r\n" + hostField + "\r\n", 200, 3},
		{"POST / HTTP/1.1\r\n" + hostField + "\r\n", 502, 2},
		{"PUT / HTTP/1.1\r\n" + hostField + "Content-Length: 3\r\n\r\nabc", 502, 2},
		{"LOCK / HTTP/1.1\r\n" + hostField + "\r\n", 502, 2},
	} {
		var seen counter
		r := newHTTPRig(t, nil, newNode(t, once(&seen, answered("x"))))
		c := r.connect()
		c.ask(get("/"))
		res, _ := c.ask(row.request)
		if res.StatusCode != row.status || seen.value() != row.seen {
			t.Errorf("%.12q: %d after %d requests, want %d after %d", row.request, res.StatusCode, seen.value(), row.status, row.seen)
		}
		c.Close()
	}
}

// TestHTTPStaleConnection has a node that closes between requests: nobody is to notice, whatever the method.
func TestHTTPStaleConnection(t *testing.T) {
	n := newNode(t, answers(nil, answered("x")))
	r := newHTTPRig(t, nil, n)
	c := r.connect()
	for i := range 3 {
		if res, _ := c.ask("POST / HTTP/1.1\r\n" + hostField + "Content-Length: 3\r\n\r\nabc"); res.StatusCode != 200 {
			t.Errorf("request %d: %s", i, res.Status)
		}
		eventually(t, "the pool to have the connection closed", func() bool { return n.accepted() == i+1 && staleInPool(r) })
	}
}

// staleInPool says whether the node has closed what is in the pools.
func staleInPool(r *rig) bool {
	p := &r.server.pools
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, idle := range p.idle {
		for _, n := range idle {
			return n.disturbed()
		}
	}
	return false
}

// TestHTTPPoolIsolation has nodes that leave bytes behind a response: no other request may meet them.
func TestHTTPPoolIsolation(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, row := range []struct{ name, answer string }{
		{"a second response", answered("good") + evil},
		{"a body behind 204", "HTTP/1.1 204 No Content\r\n\r\n" + evil},
		{"a body to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + evil},
		{"more than its length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + evil},
		{"bytes behind the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil},
	} {
		n := newNode(t, func(c *net.TCPConn) {
			b := bufio.NewReader(c)
			head, ok := readHead(b)
			if !ok {
				return
			}
			if strings.Contains(head, "/second") {
				io.WriteString(c, answered("good"))
			} else {
				io.WriteString(c, row.answer)
			}
			io.Copy(io.Discard, c)
		})
		r := newHTTPRig(t, nil, n)
		method := "GET"
		if row.name == "a body to HEAD" {
			method = "HEAD"
		}
		r.connect().ask(method + " /first HTTP/1.1\r\n" + hostField + "\r\n")
		if _, body := r.connect().ask(get("/second")); body != "good" {
			t.Errorf("%s: another client got %q", row.name, body)
		}
		if n.accepted() != 2 {
			t.Errorf("%s: %d connections, want 2", row.name, n.accepted())
		}
	}
}

// TestHTTPPoolShares wants a clean connection to serve several clients.
func TestHTTPPoolShares(t *testing.T) {
	n := newNode(t, responder)
	r := newHTTPRig(t, nil, n)
	for range 5 {
		c := r.connect()
		c.ask(get("/"))
		c.Close()
	}
	if n.accepted() != 1 {
		t.Errorf("%d connections, want 1", n.accepted())
	}
}

// TestHTTPOwnConnections wants a connection with a PROXY header to serve one client only.
func TestHTTPOwnConnections(t *testing.T) {
	var firsts counter
	n := newNode(t, func(c *net.TCPConn) {
		b := bufio.NewReader(c)
		line, _ := b.ReadString('\n')
		if strings.HasPrefix(line, "PROXY TCP4 127.0.0.1 127.0.0.1 ") {
			firsts.add()
		}
		for {
			if _, ok := readHead(b); !ok {
				return
			}
			io.WriteString(c, answered("x"))
		}
	})
	r := newHTTPRig(t, func(s *config.Service) { s.Proxy = config.ProxyV1 }, n)
	for range 2 {
		c := r.connect()
		for range 3 {
			if _, body := c.ask(get("/")); body != "x" {
				t.Errorf("%q", body)
			}
		}
	}
	if n.accepted() != 2 || firsts.value() != 2 {
		t.Errorf("%d connections, %d with a header, want 2", n.accepted(), firsts.value())
	}
}

func TestHTTPFailover(t *testing.T) {
	r := newHTTPRig(t, nil, refusing(t), newNode(t, func(c *net.TCPConn) { readHead(bufio.NewReader(c)) }), named(t, "third"))
	if res, body := r.connect().ask(get("/")); res.StatusCode != 200 || body != "third GET /" {
		t.Errorf("%s %q", res.Status, body)
	}
	if got := strings.Join(r.suspects(), " "); got != "node-1 node-2" {
		t.Errorf("suspects = %s", got)
	}
	res, _ := r.connect().ask("POST / HTTP/1.1\r\n" + hostField + "\r\n")
	if res.StatusCode != 502 { // node-2 may have begun
		t.Errorf("POST: %s", res.Status)
	}
}

func TestHTTPNoNode(t *testing.T) {
	r := newHTTPRig(t, nil, refusing(t))
	c := r.connect()
	for range 2 { // the client's connection lives on
		res, body := c.ask(get("/"))
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || res.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(body, `"title":"Service Unavailable"`) {
			t.Errorf("%s %v %q", res.Status, res.Header, body)
		}
	}
	if lines := r.log.lines("request"); len(lines) == 0 || lines[0]["level"] != "INFO" || lines[0]["failed"] != "node-1:refused" {
		t.Errorf("log %v", lines)
	}
}

// TestHTTPFailedWords wants the log to tell two failures apart.
func TestHTTPFailedWords(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) { readHead(bufio.NewReader(c)) }), refusing(t))
	r.connect().ask(get("/"))
	eventually(t, "the request's line", func() bool { return len(r.log.lines("request")) == 1 })
	if got := r.log.lines("request")[0]["failed"]; got != "node-1:closed node-2:refused" {
		t.Errorf("failed: %v", got)
	}
}

func TestHTTPLimits(t *testing.T) {
	r := newHTTPRig(t, func(s *config.Service) { s.Limits.ClientRate = config.Rate{Events: 2, Per: 1 << 50} }, newNode(t, responder))
	c := r.connect()
	for i, want := range []int{200, 200, 429, 429} {
		if res, _ := c.ask(get("/")); res.StatusCode != want {
			t.Errorf("request %d: %s, want %d", i, res.Status, want)
		}
	}
}

func TestHTTPDenied(t *testing.T) {
	r := newHTTPRig(t, func(s *config.Service) { s.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }, newNode(t, responder))
	if res, _ := r.connect().response("GET"); res.StatusCode != 403 || !res.Close {
		t.Errorf("%s", res.Status)
	}
	r.expectEnd("denied")
}

// TestHTTPBadAnswers wants 502 for what a client could read in two ways, and no second try.
func TestHTTPBadAnswers(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "220 smtp.example.org ESMTP\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 40<<10) + "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Len",
	} {
		n := newNode(t, answers(nil, answer))
		r := newHTTPRig(t, nil, n, newNode(t, responder))
		res, _ := r.connect().ask(get("/"))
		if res.StatusCode != 502 {
			t.Errorf("%.40q: %s", answer, res.Status)
		}
	}
}

// TestHTTPCutResponse wants a response that breaks off to look so.
func TestHTTPCutResponse(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n"} {
		r := newHTTPRig(t, nil, newNode(t, answers(nil, answer)))
		c := r.connect()
		c.say("GET / HTTP/1.0\r\n\r\n")
		if rest, err := c.hearRest(); err == nil {
			t.Errorf("%q: heard %q and a good end", answer, rest)
		}
		r.expectEnd("node")
	}
}
