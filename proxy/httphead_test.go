package proxy

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestHTTPHeads sends every head of package wire's table: those that can be read in two ways are 400 and close, and no node sees them.
func TestHTTPHeads(t *testing.T) {
	text, err := os.ReadFile("../wire/testdata/heads.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t, responder)
	r := newHTTPRig(t, nil, n)
	refused := 0
	for line := range strings.Lines(string(text)) {
		var head, why string
		if strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%q %q", &head, &why); err != nil {
			t.Fatal(err)
		}
		if why == "" || head == "" || why == "no end" {
			continue
		}
		refused++
		before := n.accepted()
		c := r.connect()
		c.say(head)
		res, body := c.response("GET")
		if res.StatusCode != 400 || !res.Close || res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, `"status":400`) {
			// A head with a second request behind it is two requests.
			if why == "behind the empty line" && res.StatusCode == 200 {
				c.Close()
				continue
			}
			t.Errorf("%q: %d %v %q", head, res.StatusCode, res.Header, body)
		}
		c.hearEnd()
		c.Close()
		if n.accepted() != before {
			t.Errorf("%q reached a node", head)
		}
	}
	if refused < 50 {
		t.Errorf("only %d heads in the table", refused)
	}
}

func TestHTTPLongHead(t *testing.T) {
	r := newHTTPRig(t, nil, named(t, "node"))
	c := r.connect()
	res, body := c.ask("GET /long HTTP/1.1\r\n" + hostField + "X-Long: " + strings.Repeat("y", 30<<10) + "\r\n\r\n")
	if res.StatusCode != 200 || body != "node GET /long" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	res, _ = c.ask("GET /longer HTTP/1.1\r\n" + hostField + "X-Long: " + strings.Repeat("y", 40<<10) + "\r\n\r\n")
	if res.StatusCode != 431 || !res.Close {
		t.Errorf("%d, close %t", res.StatusCode, res.Close)
	}
}

func TestHTTPForwardedIsOurs(t *testing.T) {
	heads := make(chan string, 1)
	r := newHTTPRig(t, nil, newNode(t, answers(heads, answered(""))))
	r.connect().ask("GET / HTTP/1.1\r\nHost: mail.example.org:8443\r\nForwarded: for=6.6.6.6\r\nX-FORWARDED-FOR: 6.6.6.6\r\nX-Forwarded-Port: 1\r\n" +
		"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\nConnection: X-Hop, Host, close\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n" +
		"Proxy-Connection: x\r\nTE: gzip, trailers\r\nUpgrade: h2c\r\nCookie: a=b\r\nCookie: c=\"d\"\r\nX-Kept: 1\r\n\r\n")
	const want = "GET / HTTP/1.1\r\nHost: mail.example.org:8443\r\nTE: trailers\r\nConnection: TE\r\nCookie: a=b\r\nCookie: c=\"d\"\r\nX-Kept: 1\r\n" +
		"Forwarded: for=127.0.0.1;proto=http;host=\"mail.example.org:8443\"\r\nX-Forwarded-Host: mail.example.org:8443\r\n" +
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n\r\n"
	if got := <-heads; got != want {
		t.Errorf("the node was asked\n%s, want\n%s", got, want)
	}
}

func TestHTTPResponseFields(t *testing.T) {
	r := newHTTPRig(t, nil, newNode(t, answers(nil, "HTTP/1.1 207 Multi  Status\r\nServer: Odd/1\r\nserver-timing: x\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n"+
		"Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nETag: \"x\"\r\n"+
		"Content-Type: application/xml\r\nContent-Length: 2\r\n\r\nok")))
	c := r.connect()
	res, body := c.ask(get("/"))
	want := map[string]string{"Server": "Odd/1", "Server-Timing": "x", "Date": "Mon, 01 Jan 2001 00:00:00 GMT", "Etag": `"x"`, "Content-Type": "application/xml", "Content-Length": "2"}
	for name, value := range want {
		if res.Header.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, res.Header.Get(name), value)
		}
	}
	if res.Status != "207 Multi  Status" || body != "ok" || len(res.Header) != len(want)+1 || strings.Join(res.Header["Set-Cookie"], "|") != "a=b; Path=/|c=d" {
		t.Errorf("%q %q %v", res.Status, body, res.Header)
	}
}
