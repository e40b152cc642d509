package wire

import (
	"bytes"
	"strings"
	"testing"
)

var judges = map[string]func([]byte) Verdict{
	"smtp": SMTPGreeting, "imap": IMAPGreeting, "pop3": POP3Greeting, "sieve": SieveGreeting,
}

var greetings = []struct {
	protocol, first string
	want            Verdict
}{
	{"smtp", "", Incomplete},
	{"smtp", "22", Incomplete},
	{"smtp", "220 mail.example.org ESMTP", Incomplete},
	{"smtp", "220 mail.example.org ESMTP\r\n", Welcome},
	{"smtp", "220\r\n", Welcome},
	{"smtp", "220-wait for it\r\n", Welcome},
	{"smtp", "220 bare line feed\n", Welcome},
	{"smtp", "421 4.3.2 no\r\n", Refusal},
	{"smtp", "554-no\r\n554 and no\r\n", Refusal},
	{"smtp", "521 5.7.1 no", Incomplete},
	{"smtp", "500 5.5.1 what\r\n", Refusal},
	{"smtp", "250 ok\r\n", Garbage},
	{"smtp", "354 go on\r\n", Garbage},
	{"smtp", "2200 x\r\n", Garbage},
	{"smtp", "* OK\r\n", Garbage},
	{"smtp", "\x15\x03\x01\x00\x02\x02\x46", Garbage}, // a TLS alert
	{"smtp", "220 " + strings.Repeat("x", MaxGreeting), Garbage},
	{"imap", "* OK", Incomplete},
	{"imap", "* OK ready\r\n", Welcome},
	{"imap", "* ok ready\r\n", Welcome},
	{"imap", "* OK [CAPABILITY IMAP4rev1] x\r\n", Welcome},
	{"imap", "* PREAUTH hello\r\n", Welcome},
	{"imap", "* BYE too many\r\n", Refusal},
	{"imap", "* B", Incomplete},
	{"imap", "* BAD what\r\n", Garbage},
	{"imap", "* OKAY\r\n", Garbage},
	{"imap", "HTTP/1.1 400 Bad Request\r\n", Garbage},
	{"pop3", "+OK\r\n", Welcome},
	{"pop3", "+OK Dovecot ready.\r\n", Welcome},
	{"pop3", "-ERR [SYS/TEMP] later\r\n", Refusal},
	{"pop3", "-", Incomplete},
	{"pop3", "+OKAY\r\n", Garbage},
	{"pop3", "220 x\r\n", Garbage},
	{"sieve", "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n", Incomplete},
	{"sieve", "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"\"\r\nOK \"ready\"\r\n", Welcome},
	{"sieve", "\"IMPLEMENTATION\" {1}\r\n\"\r\nOK\r\n", Welcome},
	{"sieve", "OK\r\n", Welcome},
	{"sieve", "BYE \"later\"\r\n", Refusal},
	{"sieve", "NO (TRYLATER) {2+}\r\nno\r\n", Refusal},
	{"sieve", "BY", Incomplete},
	{"sieve", "BAD\r\n", Garbage},
	{"sieve", "220 x\r\n", Garbage},
	{"sieve", "\"IMPLEMENTATION\" {99999}\r\n", Garbage},
	{"sieve", "\"unfinished\r\nOK\r\n", Garbage},
}

func TestGreetings(t *testing.T) {
	for _, g := range greetings {
		if got := judges[g.protocol]([]byte(g.first)); got != g.want {
			t.Errorf("%s %.60q = %v, want %v", g.protocol, g.first, got, g.want)
		}
	}
}

// FuzzGreeting: a verdict on a prefix is the verdict on the whole.
func FuzzGreeting(f *testing.F) {
	for _, g := range greetings {
		f.Add([]byte(g.first))
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		for name, judge := range judges {
			whole := judge(first)
			for i := range first[:min(len(first), 300)] {
				if v := judge(first[:i]); v != Incomplete && v != whole {
					t.Fatalf("%s: %q is %v, but its prefix %q %v", name, first, whole, first[:i], v)
				}
			}
			long := append(bytes.Clone(first), bytes.Repeat([]byte("x"), MaxGreeting)...)
			if v := judge(long); v == Incomplete {
				t.Fatalf("%s: %q and %d bytes more are still incomplete", name, first, MaxGreeting)
			}
		}
	})
}
