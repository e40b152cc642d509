package e2e

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestWebKill kills an Apache under clients with kept connections: their requests may all be done twice, so nobody may see an
// error, and nobody's connection may end.
func TestWebKill(t *testing.T) {
	const clients = 40
	o := beginWeb(t)
	servers.restoreAfter(t, apaches...)
	for _, mode := range []string{"terminate", "reencrypt"} {
		t.Run(mode, func(t *testing.T) {
			y := webTopology{tls: mode, proxy: "v2"}
			p := serveWeb(t, y)
			l := keepAlive(t, y, clients, 20*time.Millisecond)
			var known time.Duration
			for _, victim := range apaches {
				before := l.answersOf(victim)
				l.after(t, 300)
				if n := l.answersOf(victim) - before; n < 30 {
					t.Errorf("%s has hardly any load: %d answers of 300", victim, n)
				}
				servers.must(t, "kill9", victim)
				killed := time.Now()
				eventually(t, 5*time.Second, victim+" known to be down", func() error { return p.are("down", []string{victim}, y.names()) })
				known = max(known, time.Since(killed))
				l.after(t, 500)
				servers.must(t, "start", victim)
				p.allUp(t, y)
			}
			answered, err := l.leave()
			if err != nil {
				t.Errorf("after %d answers: %v", answered, err)
			}
			o.fact(t, "tls: %s: %d answers over %d connections that outlived two kill -9, no error; known down after %v at most",
				mode, answered, clients, known.Round(time.Millisecond))
		})
	}
}

// TestWebNobodyAnswers is our own words when all nodes are dead, and before that is known; and that the client's connection
// lives on until they are back.
func TestWebNobodyAnswers(t *testing.T) {
	beginWeb(t)
	servers.restoreAfter(t, apaches...)
	y := webTopology{}
	p := serveWeb(t, y)
	k, err := keep(y, trusted(t))
	if err != nil {
		t.Fatal(err)
	}
	defer k.conn.Close()
	if err := k.ask("OPTIONS", "/dav/u1/", "200 OK"); err != nil {
		t.Fatal(err)
	}
	servers.must(t, "kill9", apaches...)
	requireUnavailable(t, y.base()+"/dav/u1/")
	eventually(t, 5*time.Second, "all known to be down", func() error { return p.are("down", apaches, y.names()) })
	requireUnavailable(t, y.base()+"/dav/u1/")
	if err := p.ready("webdav"); err == nil {
		t.Error("readyz says that webdav has a usable node")
	}
	if got, err := answerer(y.base() + "/jmap/"); err != nil || got != "cyrus 200" {
		t.Errorf("meanwhile /jmap is answered by %s, %v", got, err)
	}
	servers.must(t, "start", apaches...)
	p.allUp(t, y)
	for _, a := range [][2]string{{"POST", "404 Not Found"}, {"OPTIONS", "200 OK"}} { // POST: may not be done twice
		if err := k.ask(a[0], "/dav/u1/", a[1]); err != nil {
			t.Errorf("the connection from before: %v", err)
		}
	}
}

// requireUnavailable is a 503 with Retry-After and problem details (RFC 9457).
func requireUnavailable(t *testing.T, url string) {
	t.Helper()
	out, err := curlHTTP("--write-out", "\n%{http_code} %header{content-type} %header{retry-after}", url)
	if err != nil {
		t.Fatal(err)
	}
	body, head, _ := strings.Cut(out, "\n")
	fields := strings.Fields(head)
	if len(fields) != 3 || fields[0] != "503" || fields[1] != "application/problem+json" {
		t.Errorf("with all nodes dead: %q, want 503 with problem details and Retry-After", head)
		return
	}
	if seconds, err := strconv.Atoi(fields[2]); err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After: %s", fields[2])
	}
	var problem struct {
		Status int
		Detail string
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != 503 || problem.Detail == "" {
		t.Errorf("problem details %q: %v", body, err)
	}
}
