package wire

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// ErrSyntax says that a peer does not speak the protocol that it should.
var ErrSyntax = errors.New("not in the protocol's form")

// SMTPReply is one reply of an SMTP or LMTP server, the lines without code and separator.
type SMTPReply struct {
	Code  int // 200 to 599
	Lines []string
}

// ReadSMTPReply reads a reply of one or more lines (RFC 5321, 4.2). The last line's code is the reply's: postscreen
// begins with 220- and may end with 521. The lines that have come are there if the rest is
// late (os.ErrDeadlineExceeded).
func ReadSMTPReply(r *LineReader) (SMTPReply, error) {
	var reply SMTPReply
	for {
		line, err := r.ReadLine()
		if err != nil {
			return late(reply, err), midway(err, len(reply.Lines))
		}
		code, text, more, ok := cutSMTPLine(string(line))
		if !ok {
			return SMTPReply{}, ErrSyntax
		}
		reply.Code = code
		reply.Lines = append(reply.Lines, text)
		if !more {
			return reply, nil
		}
	}
}

// late is what is told of a reply that has not come whole: its lines so far, if more of them may come.
func late(reply SMTPReply, err error) SMTPReply {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return reply
	}
	return SMTPReply{}
}

// Text is the reply on one line, for people.
func (r SMTPReply) Text() string { return strings.Join(r.Lines, " ") }

// Keywords are the extensions that a reply to EHLO or LHLO announces with their parameters, in upper case, sorted:
// all lines but the first (RFC 5321, 4.1.1.1).
func (r SMTPReply) Keywords() []string {
	if len(r.Lines) < 2 {
		return nil
	}
	return sorted(r.Lines[1:])
}

func cutSMTPLine(line string) (code int, text string, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, "", false, false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 { // RFC 5321, 4.2: a client should accept a code without text
		return code, "", false, true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, "", false, false
	}
	return code, line[4:], line[3] == '-', true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// sorted is the words in upper case, each once, in order; empty ones are left out.
func sorted(words []string) []string {
	out := make([]string, 0, len(words))
	for _, w := range words {
		if w = strings.ToUpper(strings.TrimSpace(w)); w != "" {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
