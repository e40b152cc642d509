package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWebPaths is which server answers which path on one address, and our own words where none does.
func TestWebPaths(t *testing.T) {
	o := beginWeb(t)
	y := webTopology{tls: "reencrypt"}
	serveWeb(t, y)
	rows := []struct{ path, want string }{
		{"/jmap/", "cyrus 200"},
		{"/jmap/?a=/dav/../x", "cyrus 200"},
		{"/.well-known/jmap", "cyrus 301"},
		{"/dav/u1/", "apache 404"}, // it is a collection, and they are not listed
		{"/dav", "apache 301"},
		{"/dav/calendars/user/u1/", "cyrus 204"},
		{"/dav/calendarsx", "apache 404"},
		{"/dav/principals/user/u1/", "cyrus 204"},
		{"/%64av/calendarsx", "none 400"}, // to some /dav, to others not
		{"/dav/u1/a%20b", "apache 404"},
		{"/dav/u1/../u2/x", "apache 404"},
		{"/dav/../jmap/", "none 400"},
		{"/dav/%2e%2e/jmap/", "none 400"},
		{"/dav/u1/..%2f..%2fcalendars/user", "none 400"},
		{"/dav//calendars/user/u1/", "none 400"},
		{"/dav/%00", "none 400"},
		{"/dav/%zz", "none 400"},
		{"/../dav", "none 400"},
		{"/jmapx", "none 404"},
		{"/", "none 404"},
		{"/index.html", "none 404"},
	}
	for _, row := range rows {
		got, err := answerer(y.base() + row.path)
		if err != nil {
			t.Errorf("%s: %v", row.path, err)
		} else if got != row.want {
			t.Errorf("%s is answered by %s, want %s", row.path, got, row.want)
		}
	}
	t.Run("destination", func(t *testing.T) {
		for destination, want := range map[string]string{
			y.base() + "/jmap/x":                  "none 502",
			y.base() + "/dav/calendars/user/u1/x": "none 502",
			y.base() + "/dav/u1/../../jmap":       "none 400",
			"/dav/u1/nothing":                     "apache 404",
		} {
			got, err := answerer(y.base()+"/dav/u1/nowhere", "--request", "COPY", "--header", "Destination: "+destination)
			if err != nil || got != want {
				t.Errorf("COPY to %s: %s, %v, want %s", destination, got, err, want)
			}
		}
	})
	o.fact(t, "%d paths on one https address: the longest prefix's server, 404 or 400", len(rows))
}

// answerer is who answers, by the heads that only Apache, only Cyrus or only we write, and the status.
func answerer(url string, more ...string) (string, error) {
	out, err := curlHTTP(append(more, "--path-as-is", "--output", "/dev/null",
		"--write-out", "%{http_code}|%header{x-node}|%header{content-type}|%header{alt-svc}|%header{server}", url)...)
	if err != nil {
		return "", err
	}
	part := strings.Split(out, "|")
	who := "cyrus"
	switch {
	case part[2] == "application/problem+json":
		who = "none"
	case part[1] != "":
		who = "apache"
	}
	return who + " " + part[0], nil
}

// TestWebFraming is requests that two servers could read in two ways: 400, and nothing more is read from that client.
func TestWebFraming(t *testing.T) {
	beginWeb(t)
	y := webTopology{tls: "none", rest: true}
	serveWeb(t, y)
	before := servers.mark()
	const next = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"two lengths":       "POST /dav/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n01234",
		"length and coding": "POST /dav/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"coding on 1.0":     "POST /dav/ HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"unknown coding":    "POST /dav/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"space and colon":   "POST /dav/ HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n01234",
		"folding":           "GET /dav/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
		"bare LF":           "GET /dav/ HTTP/1.1\nHost: x\n\n",
		"NUL":               "GET /dav/ HTTP/1.1\r\nHost: x\x00\r\n\r\n",
		"two hosts":         "GET /dav/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":           "GET /dav/ HTTP/1.1\r\n\r\n",
		"version":           "GET /dav/ HTTP/2.0\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(front, fmt.Sprint(plainPort)), patience)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err = io.WriteString(conn, request+next); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		answer, err := io.ReadAll(conn)
		conn.Close()
		if got := string(answer); !strings.HasPrefix(got, "HTTP/1.1 400 ") && name != "version" || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: %v, %q, want one 400 and a close", name, err, got)
		}
	}
	if before.any(func(line string) bool {
		return strings.Contains(line, "smuggled") || strings.Contains(line, "POST /dav/")
	}) {
		t.Error("a node has seen a request that should not get there")
	}
}

// TestWebRedirect is the plain address beside the https one: 308 for everything but a certificate authority's challenge,
// which the nodes answer.
func TestWebRedirect(t *testing.T) {
	beginWeb(t)
	const plain = "http://" + front + ":8081"
	challenges := filepath.Join(servers.dir, "web", ".well-known", "acme-challenge")
	if err := os.MkdirAll(challenges, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(challenges, "token"), []byte("proof\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"terminate", "reencrypt"} {
		t.Run(mode, func(t *testing.T) {
			y := webTopology{tls: mode, rest: true}
			y.keys = map[string]string{"http": fmt.Sprintf("redirect_listen: [%q]", front+":8081")}
			serveWeb(t, y)
			for path, want := range map[string]string{
				"/a/b?c=d%20e": "308 " + y.base() + "/a/b?c=d%20e",
				"/":            "308 " + y.base() + "/",
			} {
				out, err := curlHTTP("--output", "/dev/null", "--write-out", "%{http_code} %header{location}", "--data", "kept", plain+path)
				if err != nil || out != want {
					t.Errorf("%s: %q, %v, want %q", path, out, err, want)
				}
			}
			out, err := curlHTTP("--location", plain+"/index.html")
			if err != nil || out != "hello\n" {
				t.Errorf("redirected to %q, %v", out, err)
			}
			out, err = curlHTTP(plain + "/.well-known/acme-challenge/token")
			if err != nil || out != "proof\n" {
				t.Errorf("the challenge is answered by %q, %v", out, err)
			}
		})
	}
}
