package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDelivery sends awkward mails through port 25, and reads them back through imaps, pop3 and pop3s: every byte that
// the client sent is there, behind the headers that the servers put in front.
func TestDelivery(t *testing.T) {
	o := begin(t)
	serve(t, topology{proxy: "v2"})
	total := 0
	for i, mail := range awkward() {
		total += len(mail.data)
		t.Run(mail.name, func(t *testing.T) {
			v := newVisit(t, front, "smtp", 60+i)
			file := filepath.Join(v.dir, "mail")
			// Without its own fixing up swaks sends the file as it is: the dots are ours to double, and to end with.
			stuffed := strings.ReplaceAll("\r\n"+mail.data, "\r\n.", "\r\n..")[2:]
			if err := os.WriteFile(file, []byte(stuffed+".\r\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := swaks(plain, "USER@example.test", "--no-data-fixup", "--data", "@"+file)(v); err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{"imaps", "pop3", "pop3s"} {
				eventually(t, 10*time.Second, "read through "+from, func() error { return readBack(v, from, mail.data) })
			}
		})
	}
	o.fact(t, "%d mails, %d bytes, identical through imaps, pop3 and pop3s", len(awkward()), total)
}

// TestIdle has a client in IDLE hear of its mail at once, in plain text and in TLS.
func TestIdle(t *testing.T) {
	o := begin(t)
	serve(t, topology{proxy: "v2"})
	trust := trusted(t)
	var longest time.Duration
	for i := range 2 {
		m, err := login(i, trust)
		if err != nil {
			t.Fatal(err)
		}
		defer m.conn.Close()
		if err := m.ask("c IDLE", "+ "); err != nil {
			t.Fatal(err)
		}
		v := newVisit(t, front, "lmtp", 66)
		v.user = fmt.Sprintf("u%d", 1+i)
		began := time.Now()
		if err := swaks(plain, "USER@example.test", "--protocol", "LMTP")(v); err != nil {
			t.Fatal(err)
		}
		line, err := m.read.ReadString('\n')
		if err != nil || !strings.HasSuffix(line, "EXISTS\r\n") {
			t.Fatalf("in IDLE came %q, %v", line, err)
		}
		longest = max(longest, time.Since(began))
	}
	o.fact(t, "clients in IDLE heard of a mail within %v", longest.Round(time.Millisecond))
}

// readBack is nil if the first message of the mailbox ends with exactly these bytes.
func readBack(v visit, service, want string) error {
	url := fmt.Sprintf("%s://%s:%d/", service, v.host, ports[service])
	if service == "imaps" {
		url += "INBOX;MAILINDEX=1"
	} else {
		url += "1"
	}
	got := filepath.Join(v.dir, service)
	if _, err := command("", "curl", "-sS", "--max-time", "20", "--cacert", v.ca, "--user", v.user+":secret", "-o", got, url); err != nil {
		return err
	}
	data, err := os.ReadFile(got)
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(data, []byte("\r\n"+want)) {
		return fmt.Errorf("%d bytes that do not end with the %d sent; they end with %q", len(data), len(want), tail(string(data), 200))
	}
	return nil
}

// awkward is mails that a relay could get wrong.
func awkward() []struct{ name, data string } {
	return []struct{ name, data string }{
		{"dots", letter("dots", ".\r\n..\r\n...\r\n.a\r\n..b\r\n\r\n.\r\n.\r\n")},
		{"line lengths", letter("lines", lengths())},
		{"attachment", letter("attachment", attachment(1_500_001))},
		{"eight bits", letter("bytes", eightBits())},
		{"no body", letter("none", "")},
		{"no line end in its last part", letter("blank lines", strings.Repeat("\r\n", 300)+"x\r\n")},
	}
}

// letter has every header that a server would add if it were missing.
func letter(subject, body string) string {
	return "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", "-") + "@e2e.example.test>\r\n" +
		"From: a@example.test\r\nTo: b@example.test\r\nSubject: " + subject + "\r\nX-Odd:   two  blanks\r\n\r\n" + body
}

// lengths has lines of every length up to the most that SMTP allows (RFC 5321, 4.5.3.1.6).
func lengths() string {
	var b strings.Builder
	for n := range 999 {
		b.WriteString(strings.Repeat("x", n) + "\r\n")
	}
	return b.String()
}

// eightBits has every byte but those that end a line or a string.
func eightBits() string {
	var b strings.Builder
	for range 50 {
		for c := 1; c < 256; c++ {
			if c != '\r' && c != '\n' {
				b.WriteByte(byte(c))
			}
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

// attachment is random bytes in base64, in lines of odd lengths.
func attachment(size int) string {
	data := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(data)
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for n := 1; text != ""; n = n%997 + 1 {
		line := min(n, len(text))
		b.WriteString(text[:line] + "\r\n")
		text = text[line:]
	}
	return b.String()
}
