package mailtest

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"go.uber.org/goleak"

	"posthouse/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var everywhere = map[string]string{
	"smtp": "127.0.0.1:0", "submission": "127.0.0.1:0", "submissions": "127.0.0.1:0", "lmtp": "127.0.0.1:0",
	"imap": "127.0.0.1:0", "imaps": "127.0.0.1:0", "pop3": "127.0.0.1:0", "pop3s": "127.0.0.1:0", "sieve": "127.0.0.1:0",
	"jmap": "127.0.0.1:0", "webdav": "127.0.0.1:0", "http": "127.0.0.1:0",
	"jmap-plain": "127.0.0.1:0", "webdav-plain": "127.0.0.1:0", "http-plain": "127.0.0.1:0",
}

// started is a node that runs all services for the account anna, password secret, with two messages.
func started(t testing.TB, proxy config.ProxyVersion) (*Node, *tls.Config) {
	t.Helper()
	ca, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Server("mail.example.org", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{Name: "eu-1", Address: everywhere, TLS: server, Proxy: proxy, Store: twoMessages()}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	return n, ca.Client("mail.example.org")
}

func twoMessages() *Store {
	return NewStore(Account{Name: "anna", Password: "secret", Messages: []string{
		"From: bert@example.org\r\nSubject: first\r\n\r\nHello\r\n.hidden dot\r\nthird\r\n",
		"From: bert@example.org\r\nSubject: second\r\n\r\nHello again\r\n",
	}})
}

// dialled is a client of a service of the node.
func dialled(t testing.TB, n *Node, service string, config *tls.Config) *Client {
	t.Helper()
	c, err := Dial(t.Context(), n.Addr(service).String(), config, services[service].implicitTLS)
	if err != nil {
		t.Fatalf("dial %s: %v", service, err)
	}
	t.Cleanup(func() { c.Conn.Close() })
	return c
}

// eventually polls until the fact holds.
func eventually(t testing.TB, fact string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", fact)
		case <-tick.C:
		}
	}
}
