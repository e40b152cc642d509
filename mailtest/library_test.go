package mailtest

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"posthouse/config"
)

// TestMailArrives sends a message with one library's client and reads it with another's.
func TestMailArrives(t *testing.T) {
	node, tlsConfig := started(t, config.ProxyNone)
	client, err := smtp.DialTLS(node.Addr("submissions").String(), tlsConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Auth(sasl.NewPlainClient("", "anna", "secret")); err != nil {
		t.Fatal(err)
	}
	const text = "Subject: third\r\n\r\n.a dot, and\r\n.\r\n..more\r\n"
	if err := client.SendMail("anna@example.org", []string{"anna@example.org"}, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if err := client.Quit(); err != nil {
		t.Fatal(err)
	}
	if got := fetchLast(t, node, tlsConfig); got != text {
		t.Errorf("fetched %q, want %q", got, text)
	}
}

func TestLMTPDelivers(t *testing.T) {
	node, tlsConfig := started(t, config.ProxyNone)
	c := dialled(t, node, "lmtp", nil)
	client := smtp.NewClientLMTP(c.Conn)
	defer client.Close()
	const text = "Subject: local\r\n\r\nhello\r\n"
	if err := client.SendMail("", []string{"anna@example.org", "nobody@example.org"}, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if got := fetchLast(t, node, tlsConfig); got != text {
		t.Errorf("fetched %q, want %q", got, text)
	}
}

// fetchLast is the newest message in anna's INBOX.
func fetchLast(t *testing.T, node *Node, tlsConfig *tls.Config) string {
	t.Helper()
	client, err := imapclient.DialTLS(node.Addr("imaps").String(), &imapclient.Options{TLSConfig: tlsConfig})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Login("anna", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	box, err := client.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	section := &imap.FetchItemBodySection{}
	messages, err := client.Fetch(imap.SeqSetNum(box.NumMessages), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil || len(messages) != 1 {
		t.Fatalf("fetch: %d messages, %v", len(messages), err)
	}
	if err := client.Logout().Wait(); err != nil {
		t.Error(err)
	}
	return string(messages[0].FindBodySection(section))
}
