package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"posthouse/wire"
)

var testArrival = arrival{client: []byte("192.0.2.1"), forwarded: []byte("for=192.0.2.1;proto=https"), proto: "https", host: "mail.example.org"}

// FuzzPrintRequest wants every head that passes to be printed as one that passes too, means the same to net/http, and tells nothing of
// the client but what we say.
func FuzzPrintRequest(f *testing.F) {
	text, err := os.ReadFile("../wire/testdata/heads.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var head, want string
		if n, _ := fmt.Sscanf(line, "%q %q", &head, &want); n > 0 {
			f.Add([]byte(head))
		}
	}
	f.Add([]byte("PUT http://h/x?y HTTP/1.1\r\nhost: a\r\nForwarded: for=x\r\nConnection: close, X-A, content-length\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; c\r\nTrailer: X\r\nTE: trailers\r\nX-Forwarded-For: 1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := wire.CheckRequestHead(raw)
		if err != nil {
			return
		}
		target, ok := splitTarget(h.Target)
		if !ok {
			return
		}
		c := codecs.Get().(*codec)
		defer c.giveBack()
		if err := c.printRequest(raw, &h, &target, &testArrival, false); err != nil {
			return
		}
		out := bytes.Clone(c.out)
		p, err := wire.CheckRequestHead(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, out, err)
		}
		if p.Length != h.Length || p.Chunked != h.Chunked || !bytes.Equal(p.Method, h.Method) || p.HTTP10 || p.Close || p.Upgrade {
			t.Errorf("%q became %q: %+v, was %+v", raw, out, p, h)
		}
		if !bytes.Equal(p.Target, target.whole) {
			t.Errorf("%q became %q: target %q, want %q", raw, out, p.Target, target.whole)
		}
		if n := bytes.Count(bytes.ToLower(out), []byte("\nx-forwarded-for:")); n != 1 {
			t.Errorf("%q became %q: X-Forwarded-For %d times", raw, out, n)
		}
		compare(t, raw, out)
	})
}

// compare lets net/http read both, where it does.
func compare(t *testing.T, raw, out []byte) {
	before, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return
	}
	after, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(out)))
	if err != nil {
		t.Errorf("net/http reads %q, and not %q: %v", raw, out, err)
		return
	}
	if before.URL.Path == "" { // RFC 9112, 3.2.1
		before.URL.Path = "/"
	}
	if before.Method != after.Method || before.ContentLength != after.ContentLength || before.URL.Path != after.URL.Path ||
		before.URL.RawQuery != after.URL.RawQuery {
		t.Errorf("%q became %q: %s %v, was %s %v", raw, out, after.Method, after.URL, before.Method, before.URL)
	}
	if before.ProtoMinor == 1 && before.Host != after.Host {
		t.Errorf("%q became %q: host %q, was %q", raw, out, after.Host, before.Host)
	}
	for _, name := range []string{"Content-Type", "Cookie", "Authorization", "Destination", "Depth", "If-Match"} {
		if strings.Join(before.Header[name], ",") != strings.Join(after.Header[name], ",") && !strings.Contains(strings.ToLower(before.Header.Get("Connection")), strings.ToLower(name)) {
			t.Errorf("%q became %q: %s %q, was %q", raw, out, name, after.Header[name], before.Header[name])
		}
	}
}

// FuzzPrintResponse wants the same of responses.
func FuzzPrintResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close, X-A\r\nX-A: b\r\nDate: x\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 304 Not Modified\r\nServer: a\r\nSet-Cookie: a=b\r\nSet-Cookie: c\r\nTrailer: X\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 207\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := wire.CheckResponseHead(raw)
		if err != nil {
			return
		}
		c := codecs.Get().(*codec)
		defer c.giveBack()
		if err := c.printResponse(raw, &h, false, false); err != nil {
			return
		}
		p, err := wire.CheckResponseHead(c.out)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, c.out, err)
		}
		without := h.Status < 200 || h.Status == 204
		if p.Status != h.Status || p.HTTP10 || p.Close || p.EventStream != h.EventStream ||
			!without && (p.Length != h.Length || p.Chunked != h.Chunked) || without && (p.Length >= 0 || p.Chunked) {
			t.Errorf("%q became %q: %+v, was %+v", raw, c.out, p, h)
		}
	})
}

func TestAppendQuoted(t *testing.T) {
	for _, row := range []struct{ value, want string }{
		{"mail.example.org", "mail.example.org"}, {"a:80", `"a:80"`}, {"[::1]", `"[::1]"`}, {`a"\b`, `"a\"\\b"`}, {"a;b", `"a;b"`}, {"a=b", `"a=b"`},
		{"(a)", `"(a)"`}, {"{a}?", `"{a}?"`}, {"a\xe9", "\"a\xe9\""},
	} {
		if got := appendQuoted(nil, []byte(row.value)); string(got) != row.want {
			t.Errorf("appendQuoted(%q) = %s, want %s", row.value, got, row.want)
		}
	}
}

func TestSplitTarget(t *testing.T) {
	for _, row := range []struct{ raw, authority, path, whole string }{
		{"/", "", "/", "/"}, {"/a?b?c", "", "/a", "/a?b?c"}, {"*", "", "*", "*"}, {"http://h", "h", "/", "/"}, {"HTTPS://h:1/a?b", "h:1", "/a", "/a?b"},
		{"http://h?b", "h", "/", "/?b"},
	} {
		got, ok := splitTarget([]byte(row.raw))
		if !ok || string(got.authority) != row.authority || string(got.path) != row.path || string(got.whole) != row.whole {
			t.Errorf("splitTarget(%s) = %s %s %s, %t", row.raw, got.authority, got.path, got.whole, ok)
		}
	}
	for _, raw := range []string{"", "a", "ftp://h/", "http://", "http:///a", "http://u@h/", "http://h,g/", "h:443"} {
		if got, ok := splitTarget([]byte(raw)); ok {
			t.Errorf("splitTarget(%q) = %s", raw, got.whole)
		}
	}
}
