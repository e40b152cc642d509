package proxy

import (
	"strings"
	"testing"
)

func TestHTTPRelaysRequests(t *testing.T) {
	heads := make(chan string, 9)
	r := newHTTPRig(t, nil, newNode(t, answers(heads, answered("one"), answered("two"), answered("three"))))
	c := r.connect()
	for _, want := range []string{"one", "two", "three"} {
		res, body := c.ask("GET /a?b=c HTTP/1.1\r\nhost: mail.example.org\r\nX-Odd:  kept \r\nx-forwarded-for: 6.6.6.6\r\n\r\n")
		if res.StatusCode != 200 || body != want {
			t.Fatalf("%d %q, want %q", res.StatusCode, body, want)
		}
	}
	const want = "GET /a?b=c HTTP/1.1\r\nhost: mail.example.org\r\nX-Odd: kept\r\n" +
		"Forwarded: for=127.0.0.1;proto=http;host=mail.example.org\r\nX-Forwarded-Host: mail.example.org\r\n" +
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n\r\n"
	for range 3 {
		if got := <-heads; got != want {
			t.Errorf("the node was asked\n%s, want\n%s", got, want)
		}
	}
	c.Close()
	line := r.expectEnd("client")
	if line["requests"] != 3.0 || line["service"] != "http" {
		t.Errorf("log line %v", line)
	}
}

func TestHTTPPaths(t *testing.T) {
	r := newPathRig(t, named(t, "jmap"), named(t, "webdav"), named(t, "http"))
	c := r.connect()
	for _, row := range []struct{ path, want string }{
		{"/", "http"}, {"/jmap", "jmap"}, {"/jmap/", "jmap"}, {"/jmap/ws?x=/dav", "jmap"}, {"/jmapx", "http"}, {"/dav/cal/a%20b", "webdav"},
		{"/.well-known/jmap", "jmap"}, {"/.well-known/caldav", "webdav"}, {"/.well-known/openid-configuration", "http"},
		{"/JMAP", "http"}, {"/a%2fb", "http"}, {"/a//b/./c/../d", "http"}, {"http://mail.example.org/dav/x", "webdav"},
		{"/jmap/../dav", "400"}, {"/jmap/%2e%2e/dav", "400"}, {"//jmap", "400"}, {"/%6amap", "400"}, {"/dav%2f..%2fjmap", "400"},
		{"/..", "400"}, {"/a\\b", "400"}, {"/a%00", "400"}, {"/a%zz", "400"}, {"/dav#x", "400"}, {"ftp://a/b", "400"},
	} {
		res, body := r.connect().ask(get(row.path))
		if res.StatusCode == 400 && row.want == "400" {
			continue
		}
		if name, _, _ := strings.Cut(body, " "); res.StatusCode != 200 || name != row.want {
			t.Errorf("GET %s: %d %q, want %s", row.path, res.StatusCode, body, row.want)
		}
	}
	c.Close()
}
