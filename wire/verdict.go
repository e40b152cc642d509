package wire

import (
	"bytes"
	"errors"
	"io"
)

// Verdict is what a server's first bytes mean for a session.
type Verdict uint8

// The zero value is Incomplete: wait for more.
const (
	Incomplete Verdict = iota
	Welcome            // the server takes the session
	Refusal            // it declines in words of the protocol: 421, 554, * BYE, -ERR, BYE, NO
	Garbage            // it does not speak the protocol; known as soon as no further byte could help
)

func (v Verdict) String() string {
	return [...]string{"incomplete", "welcome", "refusal", "garbage"}[v]
}

// MaxGreeting is how many bytes a greeting may have before it is Garbage: a caller that collects first bytes needs
// no larger buffer. ManageSieve greets with all its capabilities, about 1 KiB of them.
const MaxGreeting = 8 << 10

// SMTPGreeting judges the first line from an SMTP or LMTP server (RFC 5321, 4.2 and 4.3.2). "220-" is a welcome
// at once: postscreen holds the rest of its greeting back on purpose.
func SMTPGreeting(first []byte) Verdict {
	for i, b := range first[:min(3, len(first))] {
		if b < '0' || b > '9' || i == 0 && b != '2' && b != '4' && b != '5' {
			return Garbage
		}
	}
	if len(first) >= 3 && first[0] == '2' && string(first[:3]) != "220" {
		return Garbage
	}
	if len(first) > 3 && bytes.IndexByte([]byte(" -\r\n"), first[3]) < 0 {
		return Garbage
	}
	return atLineEnd(first, len(first) > 0 && first[0] != '2')
}

// IMAPGreeting judges the first line from an IMAP server (RFC 9051, 7.1): * OK, * PREAUTH or * BYE.
func IMAPGreeting(first []byte) Verdict {
	return firstWord(first, []string{"* OK", "* PREAUTH"}, []string{"* BYE"})
}

// POP3Greeting judges the first line from a POP3 server (RFC 1939, 4).
func POP3Greeting(first []byte) Verdict {
	return firstWord(first, []string{"+OK"}, []string{"-ERR"})
}

// SieveGreeting judges the greeting of a ManageSieve server (RFC 5804, 1.7): capability lines, then OK. It is
// Incomplete until that OK (or NO, or BYE) line ends, because only that line says whether we are welcome.
func SieveGreeting(first []byte) Verdict {
	if !sieveStart(first) {
		return Garbage
	}
	r := LineReader{R: bytes.NewReader(first), MaxLine: MaxGreeting, Max: MaxGreeting, BareLF: true}
	reply, err := ReadSieveReply(&r)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Incomplete
	case err != nil:
		return Garbage
	case reply.Status == "OK":
		return Welcome
	}
	return Refusal
}

func sieveStart(first []byte) bool {
	if len(first) == 0 || first[0] == '"' || first[0] == '{' {
		return true
	}
	return mayBegin(first, "OK") || mayBegin(first, "NO") || mayBegin(first, "BYE")
}

// firstWord judges a line by the words that it may begin with.
func firstWord(first []byte, welcome, refusal []string) Verdict {
	for _, w := range welcome {
		if mayBegin(first, w) {
			return atLineEnd(first, false)
		}
	}
	for _, w := range refusal {
		if mayBegin(first, w) {
			return atLineEnd(first, true)
		}
	}
	return Garbage
}

// mayBegin says whether a line of which we have these bytes may still begin with the word; case does not matter.
func mayBegin(first []byte, word string) bool {
	n := min(len(first), len(word))
	if !bytes.EqualFold(first[:n], []byte(word[:n])) {
		return false
	}
	return len(first) <= len(word) || bytes.IndexByte([]byte(" \r\n"), first[len(word)]) >= 0
}

// atLineEnd waits for the end of the first line: words that are passed on are passed on whole.
func atLineEnd(first []byte, refused bool) Verdict {
	end := bytes.IndexByte(first[:min(len(first), MaxGreeting)], '\n')
	switch {
	case end < 0 && len(first) >= MaxGreeting:
		return Garbage
	case end < 0:
		return Incomplete
	case refused:
		return Refusal
	}
	return Welcome
}
