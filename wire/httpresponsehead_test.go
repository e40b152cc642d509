package wire

import (
	"strings"
	"testing"
)

func TestCheckResponseHead(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, row := range []struct{ head, want string }{ // "" passes
		{ok + "\r\n", ""},
		{"HTTP/1.1 200 \r\n\r\n", ""},
		{"HTTP/1.1 200\r\n\r\n", ""},
		{"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n", ""},
		{"HTTP/1.1 207 Multi-Status\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
		{"HTTP/1.1 100 Continue\r\n\r\n", ""},
		{ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "with Content-Length"},
		{ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", "two Content-Length"},
		{ok + "Content-Length: 3, 3\r\n\r\n", "not a number"},
		{ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", "other than chunked"},
		{ok + "Content-Encoding: gzip\r\nContent-Encoding: br\r\n\r\n", "two Content-Encoding"},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "on HTTP/1.0"},
		{ok + "X: a\r\n b\r\n\r\n", "folded"},
		{ok + "X : a\r\n\r\n", "not a token"},
		{ok + "X: a\x00\r\n\r\n", "control character"},
		{ok + "X: a\n\r\n", "bare line feed"},
		{ok + "\r\nx", "behind the empty line"},
		{"HTTP/2 200 OK\r\n\r\n", "version"},
		{"ICY 200 OK\r\n\r\n", "version"},
		{"HTTP/1.1  200 OK\r\n\r\n", "status"},
		{"HTTP/1.1 20 OK\r\n\r\n", "status"},
		{"HTTP/1.1 +20 OK\r\n\r\n", "status"},
		{"HTTP/1.1 999 OK\r\n\r\n", "status"},
		{"HTTP/1.1 099 OK\r\n\r\n", "status"},
		{"HTTP/1.1 200 O\x01K\r\n\r\n", "reason"},
	} {
		_, err := CheckResponseHead([]byte(row.head))
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("CheckResponseHead(%q) = %v, want %q", row.head, err, row.want)
		}
	}
}

func TestResponseHeadFacts(t *testing.T) {
	h, err := CheckResponseHead([]byte("HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: 12\r\n\r\n"))
	if err != nil || !h.Close || !h.Listed || !h.EventStream || h.Length != 12 || h.Chunked {
		t.Errorf("%+v, %v", h, err)
	}
	for _, row := range []struct {
		status string
		head   bool
		want   bool
	}{{"200", false, false}, {"200", true, true}, {"204", false, true}, {"304", false, true}, {"101", false, true}, {"404", false, false}} {
		h, _ := CheckResponseHead([]byte("HTTP/1.1 " + row.status + " x\r\n\r\n"))
		if h.Bodiless(row.head) != row.want {
			t.Errorf("Bodiless of %s (to HEAD: %t) = %t", row.status, row.head, !row.want)
		}
	}
}

func TestRequestHeadFacts(t *testing.T) {
	h, err := CheckRequestHead([]byte("MOVE /dav/a HTTP/1.1\r\nHost: h:1\r\nDestination: /dav/b\r\nExpect: 100-Continue\r\n" +
		"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"))
	if err != nil || string(h.Method) != "MOVE" || string(h.Target) != "/dav/a" || string(h.Host) != "h:1" ||
		string(h.Destination) != "/dav/b" || !h.Expect || !h.Upgrade || !h.WebSocket || h.Listed || h.Close {
		t.Errorf("%+v, %v", h, err)
	}
	if h, _ := CheckRequestHead([]byte(get + "Upgrade: websocket\r\n\r\n")); h.Upgrade {
		t.Error("Upgrade that Connection does not name counts")
	}
	if h, _ := CheckRequestHead([]byte(get + "Connection: x-a\r\n\r\n")); !h.Listed {
		t.Error("Connection: x-a is not Listed")
	}
	if _, err := CheckRequestHead([]byte(get + "Destination: /a\r\nDestination: /b\r\n\r\n")); err == nil {
		t.Error("two Destination fields pass")
	}
}
