package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func reader(in string) *LineReader { return &LineReader{R: strings.NewReader(in), BareLF: true} }

func TestReadSMTPReply(t *testing.T) {
	for _, c := range []struct {
		in       string
		code     int
		text     string
		keywords string
		err      error
	}{
		{in: "220 mail.example.org ESMTP\r\n", code: 220, text: "mail.example.org ESMTP"},
		{in: "220\r\n", code: 220},
		{in: "220-a\r\n220 b\r\n", code: 220, text: "a b", keywords: "B"},
		{in: "220-wait\r\n521 5.7.1 no\r\n", code: 521, text: "wait 5.7.1 no", keywords: "5.7.1 NO"},
		{in: "250-mx greets\r\n250-SIZE 1000\r\n250-auth PLAIN login\r\n250 8BITMIME\r\n", code: 250,
			text: "mx greets SIZE 1000 auth PLAIN login 8BITMIME", keywords: "8BITMIME|AUTH PLAIN LOGIN|SIZE 1000"},
		{in: "250-a\r\n", err: io.ErrUnexpectedEOF},
		{in: "250-a", err: io.ErrUnexpectedEOF},
		{in: "", err: io.EOF},
		{in: "650 a\r\n", err: ErrSyntax},
		{in: "25 a\r\n", err: ErrSyntax},
		{in: "250_a\r\n", err: ErrSyntax},
		{in: strings.Repeat("250-0123456789\r\n", 10000), err: ErrTooMuch},
	} {
		got, err := ReadSMTPReply(reader(c.in))
		if !errors.Is(err, c.err) || got.Code != c.code || got.Text() != c.text || strings.Join(got.Keywords(), "|") != c.keywords {
			t.Errorf("%.40q = %d %q %q, %v, want %d %q %q, %v", c.in, got.Code, got.Text(), got.Keywords(), err, c.code, c.text, c.keywords, c.err)
		}
	}
}

func TestReadIMAPLine(t *testing.T) {
	for _, c := range []struct {
		in           string
		want         IMAPLine
		capabilities string
		err          error
	}{
		{in: "* OK Dovecot ready.\r\n", want: IMAPLine{Tag: "*", Status: "OK", Text: "Dovecot ready."}},
		{in: "* OK [CAPABILITY IMAP4rev1 idle] hi\r\n", want: IMAPLine{Tag: "*", Status: "OK", Code: "CAPABILITY IMAP4rev1 idle", Text: "hi"}, capabilities: "IDLE|IMAP4REV1"},
		{in: "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", want: IMAPLine{Tag: "*", Text: "CAPABILITY IMAP4rev1 AUTH=PLAIN"}, capabilities: "AUTH=PLAIN|IMAP4REV1"},
		{in: "* bye\r\n", want: IMAPLine{Tag: "*", Status: "BYE"}},
		{in: "a1 BAD what {9}\r\n", want: IMAPLine{Tag: "a1", Status: "BAD", Text: "what {9}"}},
		{in: "* X {3}\r\na\"b tail\r\n", want: IMAPLine{Tag: "*", Text: `X "a\"b" tail`}},
		{in: "* X {3+}\r\nabc\r\n", want: IMAPLine{Tag: "*", Text: `X "abc"`}},
		{in: "+ go on\r\n", want: IMAPLine{Tag: "+", Text: "go on"}},
		{in: "* OK [unclosed\r\n", want: IMAPLine{Tag: "*", Status: "OK", Text: "[unclosed"}},
		{in: "* X {3}\r\nab", err: io.ErrUnexpectedEOF},
		{in: "* X {9999999}\r\nab", err: ErrTooMuch},
		{in: "*\r\n", err: ErrSyntax},
		{in: "\r\n", err: ErrSyntax},
		{in: "* X " + strings.Repeat("{0}\r\n", 100), err: ErrTooMuch},
	} {
		got, err := ReadIMAPLine(reader(c.in))
		if got != c.want || !errors.Is(err, c.err) || strings.Join(got.Capabilities(), "|") != c.capabilities {
			t.Errorf("%.40q = %+v %q, %v, want %+v %q, %v", c.in, got, got.Capabilities(), err, c.want, c.capabilities, c.err)
		}
	}
}

func TestReadIMAPAnswer(t *testing.T) {
	for _, c := range []struct {
		in, status, capabilities string
		err                      error
	}{
		{"* CAPABILITY IMAP4rev1 IDLE\r\np OK done\r\n", "OK", "IDLE|IMAP4REV1", nil},
		{"* 3 EXISTS\r\np BAD no\r\n", "BAD", "", nil},
		{"* BAD no tag\r\n", "BAD", "", nil},
		{"* BYE later\r\n", "BYE", "", nil},
		{"* BYE bye\r\np OK done\r\n", "OK", "", nil},
		{"* CAPABILITY IMAP4rev1\r\n", "", "", io.EOF},
	} {
		last, capabilities, err := ReadIMAPAnswer(reader(c.in), "p")
		if last.Status != c.status || strings.Join(capabilities, "|") != c.capabilities || !errors.Is(err, c.err) {
			t.Errorf("%q = %q %q, %v, want %q %q, %v", c.in, last.Status, capabilities, err, c.status, c.capabilities, c.err)
		}
	}
}

func TestReadPOP3(t *testing.T) {
	r := reader("+OK capabilities\r\nTOP\r\nuidl\r\nIMPLEMENTATION Cyrus 3.6.1\r\n..dot\r\n.\r\n-ERR [IN-USE] no\r\nwhat\r\n")
	if reply, err := ReadPOP3Reply(r); err != nil || !reply.OK || reply.Text != "capabilities" {
		t.Fatalf("reply = %+v, %v", reply, err)
	}
	lines, err := ReadPOP3Lines(r)
	if err != nil {
		t.Fatal(err)
	}
	capabilities, implementation := POP3Capabilities(lines)
	if got := strings.Join(capabilities, "|"); got != ".DOT|TOP|UIDL" || implementation != "Cyrus 3.6.1" {
		t.Errorf("capabilities %q, implementation %q", got, implementation)
	}
	if reply, err := ReadPOP3Reply(r); err != nil || reply.OK || reply.Text != "[IN-USE] no" {
		t.Errorf("reply = %+v, %v", reply, err)
	}
	if _, err := ReadPOP3Reply(r); !errors.Is(err, ErrSyntax) {
		t.Errorf("garbage: %v, want %v", err, ErrSyntax)
	}
	if _, err := ReadPOP3Lines(reader("TOP\r\n")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestReadSieveReply(t *testing.T) {
	for _, c := range []struct {
		in   string
		want SieveReply
		err  error
	}{
		{in: "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto reject\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n",
			want: SieveReply{Status: "OK", Text: "ready", Implementation: "Dovecot Pigeonhole", Capabilities: []string{"SIEVE FILEINTO REJECT", "STARTTLS"}}},
		{in: "\"SASL\" {5+}\r\nPLAIN\r\n{5}\r\nSIEVE \"x\"\r\nOK\r\n", want: SieveReply{Status: "OK", Capabilities: []string{"SASL PLAIN", "SIEVE X"}}},
		{in: "BYE (TRYLATER) \"no \\\"server\\\"\"\r\n", want: SieveReply{Status: "BYE", Code: "TRYLATER", Text: `no "server"`}},
		{in: "NO bare words\r\n", want: SieveReply{Status: "NO", Text: "bare words"}},
		{in: "\"SASL\" \"PLAIN\"\r\n", err: io.ErrUnexpectedEOF},
		{in: "\"SASL\" PLAIN\r\n", err: ErrSyntax},
		{in: "\"SASL\" \"a\" \"b\"\r\n", err: ErrSyntax},
		{in: "WHAT\r\n", err: ErrSyntax},
		{in: "\r\n", err: ErrSyntax},
	} {
		got, err := ReadSieveReply(reader(c.in))
		if len(got.Capabilities) == 0 {
			got.Capabilities = nil
		}
		if !reflect.DeepEqual(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%q = %+v, %v, want %+v, %v", c.in, got, err, c.want, c.err)
		}
	}
}

func TestSoftware(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"mail.example.org ESMTP Postfix (Debian/GNU)", "Postfix"},
		{"mail.example.org ESMTP Exim 4.94.2 Mon, 01 Jan 2024 00:00:00 +0000", "Exim 4.94.2"},
		{"mail.example.org Stalwart ESMTP at your service", "Stalwart"},
		{"Stalwart IMAP4rev2 at your service v0.16.19", "Stalwart 0.16.19"},
		{"Dovecot (Debian) ready.", "Dovecot"},
		{"mail.example.org Cyrus IMAP 3.6.1-4+deb12u3 server ready", "Cyrus 3.6.1-4+deb12u3"},
		{"Dovecot Pigeonhole", "Dovecot"},
		{"host.example.org NewMail 1.2 ready", "NewMail 1.2"},
		{"10.0.0.1 ready", ""},
		{"mail.example.org ESMTP", ""},
		{"", ""},
	} {
		if got := Software(c.text); got != c.want {
			t.Errorf("Software(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

// FuzzReplies: no reader panics, reads beyond its limit, or finds a reply in a prefix that more bytes would change.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		"220 mail.example.org ESMTP Postfix\r\n", "250-a\r\n250-SIZE 1\r\n250 X\r\n", "* OK [CAPABILITY IMAP4rev1] x\r\n",
		"* CAPABILITY IMAP4rev1 {3}\r\nabc\r\np OK\r\n", "+OK\r\n", "TOP\r\nUIDL\r\n.\r\n", "\"SASL\" {5}\r\nPLAIN\r\nOK \"x\"\r\n",
		"BYE (TRYLATER) \"x\\\"\"\r\n", "* X {1}\r\n{1}\r\n{1}\r\n",
	} {
		f.Add([]byte(seed))
	}
	readers := map[string]func(*LineReader) (any, error){
		"smtp":   func(r *LineReader) (any, error) { v, err := ReadSMTPReply(r); v.Keywords(); return v, err },
		"imap":   func(r *LineReader) (any, error) { v, err := ReadIMAPLine(r); v.Capabilities(); return v, err },
		"pop3":   func(r *LineReader) (any, error) { v, err := ReadPOP3Reply(r); return v, err },
		"lines":  func(r *LineReader) (any, error) { v, err := ReadPOP3Lines(r); POP3Capabilities(v); return v, err },
		"sieve":  func(r *LineReader) (any, error) { v, err := ReadSieveReply(r); return v, err },
		"answer": func(r *LineReader) (any, error) { v, _, err := ReadIMAPAnswer(r, "p"); return v, err },
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		Software(string(in))
		for name, read := range readers {
			whole, errWhole := read(&LineReader{R: bytes.NewReader(in), Max: 2048})
			slow, errSlow := read(&LineReader{R: iotest.OneByteReader(bytes.NewReader(in)), Max: 2048})
			if !reflect.DeepEqual(whole, slow) || (errWhole == nil) != (errSlow == nil) {
				t.Fatalf("%s %q: %+v, %v at once and %+v, %v byte by byte", name, in, whole, errWhole, slow, errSlow)
			}
			if name == "answer" { // after BYE the end of the stream is an answer by intent
				continue
			}
			for i := range in[:min(len(in), 200)] {
				part, err := read(&LineReader{R: bytes.NewReader(in[:i]), Max: 2048})
				if err == nil && !reflect.DeepEqual(part, whole) {
					t.Fatalf("%s %q: %+v, but of its first %d bytes %+v", name, in, whole, i, part)
				}
			}
		}
	})
}
