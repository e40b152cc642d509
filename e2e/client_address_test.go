package e2e

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestAcceptProxy is swaks as a balancer in front of ours: from the prefixes that we believe its PROXY header is required,
// and the node sees the client that the header names.
func TestAcceptProxy(t *testing.T) {
	begin(t)
	p := serve(t, topology{proxy: "v2", keys: map[string]string{"smtp": "accept_proxy: [127.0.9.0/25]"}})
	rows := []struct{ name, client, header string }{
		{"v1", "192.0.2.71", "--proxy-version 1 --proxy-family TCP4 --proxy-dest 192.0.2.1"},
		{"v1 IPv6", "2001:db8::72", "--proxy-version 1 --proxy-family TCP6 --proxy-dest 2001:db8::1"},
		{"v2", "192.0.2.73", "--proxy-version 2 --proxy-family AF_INET --proxy-dest 192.0.2.1"},
		{"v2 IPv6", "2001:db8::74", "--proxy-version 2 --proxy-family AF_INET6 --proxy-dest 2001:db8::1"},
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			before := servers.mark()
			header := append(strings.Fields(row.header), "--proxy-source", row.client, "--proxy-source-port", "4711", "--proxy-dest-port", "25")
			if err := swaks(plain, sink, header...)(newVisit(t, front, "smtp", 71+i)); err != nil {
				t.Fatal(err)
			}
			eventually(t, patience, "the node's log", func() error { return before.saw("smtp", "", row.client, source) })
		})
	}
	t.Run("no header", func(t *testing.T) {
		k := dialogue(t, "smtp", "127.0.9.75")
		k.say("EHLO client.example.test")
		if words, _ := io.ReadAll(k.read); len(words) > 0 { // a close or a reset: there is no agreed form for words
			t.Errorf("a client that owes a header is answered: %q", words)
		}
		eventually(t, patience, "our log", func() error { return p.endedWith("127.0.9.75", "proxy-header") })
	})
	t.Run("not believed", func(t *testing.T) {
		before := servers.mark()
		if err := swaks(plain, sink)(newVisit(t, front, "smtp", 130)); err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "the node's log", func() error { return before.saw("smtp", "", "127.0.9.130", source) })
	})
}

// endedWith is nil if our log has a session of that client with that end.
func (p *posthouse) endedWith(client, end string) error {
	for _, r := range p.records("session") {
		if strings.HasPrefix(fmt.Sprint(r["client"]), client+":") && r["end"] == end {
			return nil
		}
	}
	return fmt.Errorf("no session of %s that ends with %s", client, end)
}

// TestTurnedAway is the words for clients that are denied, and for those that have as many sessions as they may.
func TestTurnedAway(t *testing.T) {
	begin(t)
	keys := make(map[string]string)
	words := map[string]string{"smtp": "421 4.7.0 ", "imap": "* BYE [LIMIT] ", "pop3": "-ERR [SYS/TEMP] ", "sieve": "BYE (TRYLATER) "}
	for service := range words {
		keys[service] = "deny: [127.0.9.80/32], limits: {client_sessions: 2}"
	}
	p := serve(t, topology{proxy: "v2", keys: keys})
	for service, want := range words {
		if got := dialogue(t, service, "127.0.9.80").rest(); !strings.HasPrefix(got, want) {
			t.Errorf("%s, denied: %q, want %q", service, got, want)
		}
		one, two := dialogue(t, service, "127.0.9.81"), dialogue(t, service, "127.0.9.81")
		one.expect(scripts[service].greeting)
		two.expect(scripts[service].greeting)
		if got := dialogue(t, service, "127.0.9.81").rest(); !strings.HasPrefix(got, want) {
			t.Errorf("%s, over the limit: %q, want %q", service, got, want)
		}
		one.conn.Close()
		eventually(t, patience, service+" after one has gone", func() error {
			k := dialogue(t, service, "127.0.9.81")
			_, err := until(k.read, scripts[service].greeting)
			k.conn.Close()
			return err
		})
		two.conn.Close()
	}
	for client, end := range map[string]string{"127.0.9.80": "denied", "127.0.9.81": "limit"} {
		eventually(t, patience, "our log", func() error { return p.endedWith(client, end) })
	}
}
