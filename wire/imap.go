package wire

import (
	"bytes"
	"strings"
)

// IMAPLine is one response of an IMAP server.
type IMAPLine struct {
	Tag    string // "*", "+", or the tag of the command that it ends
	Status string // OK, NO, BAD, BYE, PREAUTH in upper case; "": data
	Code   string // what stood in brackets behind the status, without them; "": nothing
	Text   string // the rest of the line; literals in it as quoted strings
}

// ReadIMAPLine reads one response (RFC 9051, 7).
func ReadIMAPLine(r *LineReader) (IMAPLine, error) {
	line, err := readLogical(r, imapLiterals)
	if err != nil {
		return IMAPLine{}, err
	}
	tag, rest, found := strings.Cut(string(line), " ")
	if tag == "" || !found && tag != "+" {
		return IMAPLine{}, ErrSyntax
	}
	l := IMAPLine{Tag: tag, Text: rest}
	if tag == "+" {
		return l, nil
	}
	word, rest, _ := strings.Cut(rest, " ")
	if !imapStatus(word) {
		return l, nil
	}
	l.Status = strings.ToUpper(word)
	l.Code, l.Text = cutCode(rest)
	return l, nil
}

// Capabilities are those that a greeting carries in its code or that an untagged CAPABILITY response lists, in upper
// case, sorted; nil where the line is about something else.
func (l IMAPLine) Capabilities() []string {
	list := l.Code
	if l.Status == "" && l.Tag == "*" {
		list = l.Text
	}
	word, rest, _ := strings.Cut(list, " ")
	if !strings.EqualFold(word, "CAPABILITY") {
		return nil
	}
	return sorted(strings.Fields(rest))
}

// ReadIMAPAnswer reads until the command of that tag has ended; capabilities announced on the way are returned. A
// server that says BYE and closes instead has answered with that; so has one that says BAD without a tag, because it
// could not find any in what it read (RFC 9051, 7.1.3).
func ReadIMAPAnswer(r *LineReader, tag string) (last IMAPLine, capabilities []string, err error) {
	for {
		l, err := ReadIMAPLine(r)
		if err != nil && last.Status == "BYE" {
			return last, capabilities, nil
		}
		if err != nil {
			return IMAPLine{}, nil, err
		}
		if c := l.Capabilities(); c != nil {
			capabilities = c
		}
		if last = l; l.Tag == tag && l.Status != "" || l.Status == "BAD" {
			return l, capabilities, nil
		}
	}
}

// imapLiterals says whether a line may hold literals: the text of a status response may not, whatever its braces
// look like.
func imapLiterals(line []byte) bool {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	word, _, _ := bytes.Cut(rest, []byte(" "))
	return !imapStatus(string(word))
}

func imapStatus(word string) bool {
	switch strings.ToUpper(word) {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}

func cutCode(text string) (code, rest string) {
	if !strings.HasPrefix(text, "[") {
		return "", text
	}
	end := strings.IndexByte(text, ']')
	if end < 0 {
		return "", text
	}
	return text[1:end], strings.TrimPrefix(text[end+1:], " ")
}
