package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestWebClientAddress is what a node knows of the client: the addresses in its log are the client's by the PROXY header,
// and by the forwarded headers with and without it, whatever a client says of itself. Connections to nodes are kept between
// requests, so many clients come, and none may get another's address.
func TestWebClientAddress(t *testing.T) {
	const clients = 20
	o := beginWeb(t)
	for _, mode := range []string{"none", "terminate", "reencrypt"} {
		for _, proxy := range []string{"", "v1", "v2"} {
			t.Run(strings.TrimSpace(mode+" "+proxy), func(t *testing.T) {
				y := webTopology{tls: mode, proxy: proxy, rest: true}
				serveWeb(t, y)
				before := servers.mark()
				for n := range clients {
					client := fmt.Sprintf("127.0.9.%d", 100+n)
					if _, err := curlHTTP(address(y, client, n)...); err != nil {
						t.Fatal(err)
					}
				}
				for n := range clients {
					client := fmt.Sprintf("127.0.9.%d", 100+n)
					eventually(t, patience, "the node's log", func() error { return before.told(y, client, n) })
				}
			})
		}
	}
	o.fact(t, "%d clients each, in 9 ways: rip, X-Forwarded-For, -Proto, -Host and Forwarded are theirs, not what they claim", clients)
}

// address is curl's arguments for the n-th client, which lies about itself.
func address(y webTopology, client string, n int) []string {
	return []string{
		"--interface", client, "--output", "/dev/null", "--fail",
		"--header", "X-Forwarded-For: 192.0.2.66", "--header", "x-forwarded-for: 192.0.2.67", "--header", "Forwarded: for=192.0.2.66;proto=ftp",
		"--header", "X-Forwarded-Proto: ftp", "--header", "X-Forwarded-Host: evil.example", "--header", "X-Real-IP: 192.0.2.66",
		fmt.Sprintf("%s/index.html?%d", y.base(), n), fmt.Sprintf("%s/index.html?%d", y.base(), n),
	}
}

// told is nil if a node has logged both requests of the n-th client with its address and nothing else.
func (l logs) told(y webTopology, client string, n int) error {
	rip := client
	if y.proxy == "" {
		rip = source
	}
	_, host, _ := strings.Cut(y.base(), "://")
	proto := scheme(y.frontPort())
	wants := []string{
		"rip=" + rip + " ", "real_rip=" + source + " ", "xff=" + client + " ", "proto=" + proto + " ", "host=" + host + " ",
		"for=" + client, "proto=" + proto, host, "status=200",
	}
	found, wrong := 0, ""
	l.any(func(line string) bool {
		if !strings.Contains(line, fmt.Sprintf("index.html?%d HTTP", n)) {
			return false
		}
		found++
		for _, want := range wants {
			if !strings.Contains(line, want) {
				wrong = fmt.Sprintf("no %q in %q", want, line)
			}
		}
		for _, lie := range []string{"192.0.2", "evil", "ftp"} {
			if strings.Contains(line, lie) {
				wrong = fmt.Sprintf("%q in %q", lie, line)
			}
		}
		return false
	})
	switch {
	case wrong != "":
		return fmt.Errorf("client %s: %s", client, wrong)
	case found != 2:
		return fmt.Errorf("client %s: %d requests in the log, want 2", client, found)
	}
	return nil
}
