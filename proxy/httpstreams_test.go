package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const eventHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// events is a node that says what it is told, event by event.
func events(say <-chan string) script {
	return func(c *net.TCPConn) {
		head, ok := readHead(bufio.NewReader(c))
		if !ok {
			return
		}
		if strings.HasPrefix(head, "HEAD") {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n")
			return
		}
		io.WriteString(c, eventHead)
		gone := make(chan bool)
		go func() {
			io.Copy(io.Discard, c)
			close(gone)
		}()
		for {
			select {
			case text, ok := <-say:
				if !ok {
					return
				}
				fmt.Fprintf(c, "%x\r\n%s\r\n", len(text), text)
			case <-gone:
				return
			}
		}
	}
}

func (p *peer) hearEvent(want string) {
	p.t.Helper()
	p.hear(fmt.Sprintf("%x\r\n%s\r\n", len(want), want))
}

// TestHTTPEvents wants each event at once, before the next one is there.
func TestHTTPEvents(t *testing.T) {
	say := make(chan string)
	r := newHTTPRig(t, nil, newNode(t, events(say)))
	c := r.connect()
	c.say(get("/jmap/eventsource/"))
	c.hear(eventHead)
	for i := range 3 {
		event := fmt.Sprintf("data: %d\n\n", i)
		say <- event
		c.hearEvent(event)
	}
	close(say)
	r.expectEnd("node")
}

// TestHTTPEventsEnd ends the process: a stream ends behind a whole event, with the last chunk.
func TestHTTPEventsEnd(t *testing.T) {
	say := make(chan string, 9)
	r := newHTTPRig(t, nil, newNode(t, events(say)))
	r.server.EndWithin(patience)
	c, idle := r.connect(), r.connect()
	idle.ask("HEAD / HTTP/1.1\r\n" + hostField + "\r\n")
	c.say(get("/"))
	c.hear(eventHead)
	if list := r.list(); len(list) != 1 || list[0].Node != "node-1" || list[0].Service != "http" {
		t.Errorf("List = %+v", list)
	}
	say <- "data: half"
	c.hearEvent("data: half")
	r.stop()
	idle.hearEnd()
	say <- "\n\n"
	c.hearEvent("\n\n")
	c.hear("0\r\n\r\n")
	c.hearEnd()
	eventually(t, "the log of the drain", func() bool { return len(r.log.lines("drained")) == 1 })
	if line := r.log.lines("drained")[0]; line["closed_quiet"] != 2.0 || line["cut"] != 0.0 {
		t.Errorf("%v", line)
	}
}

// TestHTTPReaderLeaves wants a node to hear soon that nobody reads its events any more.
func TestHTTPReaderLeaves(t *testing.T) {
	left := make(chan bool)
	times := usualTimes
	times.events = 10 * time.Millisecond
	r := newTimedRig(t, times, newNode(t, func(c *net.TCPConn) {
		events(nil)(c)
		close(left)
	}))
	c := r.connect()
	c.say(get("/"))
	c.hear(eventHead)
	c.Close()
	select {
	case <-left:
	case <-time.After(patience):
		t.Error("the node was not told")
	}
	r.expectEnd("client")
}

const upgradeRequest = "GET /jmap/ws HTTP/1.1\r\n" + hostField + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"

// webSocket switches protocols and echoes.
func webSocket(heads chan<- string) script {
	return func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		head, ok := readHead(r)
		if !ok {
			return
		}
		if heads != nil {
			heads <- head
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: y\r\n\r\nfirst")
		io.Copy(c, r)
		c.CloseWrite()
	}
}

func (p *peer) hearUpgrade() {
	p.t.Helper()
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = p.r.ReadString('\n'); err != nil {
			p.t.Fatal(err)
		}
	}
	p.hear("first")
}

func TestHTTPWebSocket(t *testing.T) {
	heads := make(chan string, 1)
	r := newHTTPRig(t, nil, newNode(t, webSocket(heads)))
	c := r.connect()
	c.say(upgradeRequest + "early")
	c.hearUpgrade()
	c.hear("early")
	if head := <-heads; !strings.Contains(head, "Upgrade: websocket\r\nConnection: Upgrade\r\n") || strings.Count(head, "pgrade: ") != 1 {
		t.Errorf("the node was asked %q", head)
	}
	for _, text := range []string{"ping", "\x00\xff\x81", "pong"} {
		c.say(text)
		c.hear(text)
	}
	c.CloseWrite()
	c.hearEnd()
	if line := r.expectEnd("client"); line["requests"] != 1.0 || line["service"] != "http" {
		t.Errorf("%v", line)
	}
}

// TestHTTPUpgradeOnlyToWebSocket leaves other protocols away: they would carry requests that we do not see.
func TestHTTPUpgradeOnlyToWebSocket(t *testing.T) {
	heads := make(chan string, 1)
	r := newHTTPRig(t, nil, newNode(t, answers(heads, answered("x"))))
	r.connect().ask("GET / HTTP/1.1\r\n" + hostField + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n")
	if head := <-heads; strings.Contains(head, "pgrade") || strings.Contains(head, "Settings") {
		t.Errorf("the node was asked %q", head)
	}
}

// TestHTTPWebSocketEnds ends the process while a WebSocket is quiet.
func TestHTTPWebSocketEnds(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, webSocket(nil)))
	c := r.connect()
	c.say(upgradeRequest)
	c.hearUpgrade()
	eventually(t, "a session with a node", func() bool { return len(r.list()) == 1 })
	r.stop()
	c.hearEnd()
	if line := r.ended(1); line["end"] != "drained" && line["end"] != "cut" {
		t.Errorf("%v", line)
	}
}

// TestHTTPDrain lets a request that is in flight end, and says that it is the last.
func TestHTTPDrain(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		readHead(bufio.NewReader(c))
		close(asked)
		<-answer
		io.WriteString(c, answered("done"))
		io.Copy(io.Discard, c)
	}))
	r.server.EndWithin(patience)
	c := r.connect()
	c.say(get("/"))
	<-asked
	r.stop()
	eventually(t, "the drain", func() bool { return len(r.log.lines("draining")) == 1 })
	eventually(t, "the goodbye", func() bool {
		all := r.server.live.conversing()
		return len(all) == 1 && all[0].watch.bye.Load()
	})
	close(answer)
	res, body := c.response("GET")
	if body != "done" || !res.Close {
		t.Errorf("%q, close %t", body, res.Close)
	}
	c.hearEnd()
	r.expectEnd("answered")
}

// TestHTTPCut ends a request that does not end by itself.
func TestHTTPCut(t *testing.T) {
	asked := make(chan bool)
	r := newHTTPRig(t, nil, newNode(t, func(c *net.TCPConn) {
		readHead(bufio.NewReader(c))
		close(asked)
		io.Copy(io.Discard, c)
	}))
	c := r.connect()
	c.say(get("/"))
	<-asked
	r.stop()
	if rest, _ := c.hearRest(); rest != "" {
		t.Errorf("heard %q", rest)
	}
	r.expectEnd("cut")
}
