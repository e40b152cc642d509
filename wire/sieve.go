package wire

import (
	"bytes"
	"strings"
)

// SieveReply is one response of a ManageSieve server: capability lines, if any, and the line that ends it.
type SieveReply struct {
	Status         string // OK, NO or BYE
	Code           string // what stood in parentheses, without them
	Text           string
	Implementation string   // the capability of that name, as written
	Capabilities   []string // the others with their values, in upper case, sorted
}

// ReadSieveReply reads a response (RFC 5804, 1.2, 1.3 and 1.7): the greeting, or the answer to a command.
func ReadSieveReply(r *LineReader) (SieveReply, error) {
	var lines []string
	var reply SieveReply
	for {
		line, err := readLogical(r, func([]byte) bool { return true })
		if err != nil {
			return SieveReply{}, midway(err, len(lines))
		}
		if len(line) == 0 || line[0] != '"' {
			reply.Capabilities = sorted(lines)
			return reply, reply.end(line)
		}
		name, value, ok := sieveCapability(line)
		switch {
		case !ok:
			return SieveReply{}, ErrSyntax
		case strings.EqualFold(name, "IMPLEMENTATION"):
			reply.Implementation = value
		}
		if !strings.EqualFold(name, "IMPLEMENTATION") {
			lines = append(lines, name+" "+value)
		}
	}
}

func sieveCapability(line []byte) (name, value string, ok bool) {
	name, rest, ok := cutQuoted(line)
	if !ok || len(bytes.TrimSpace(rest)) == 0 {
		return name, "", ok
	}
	value, rest, ok = cutQuoted(bytes.TrimLeft(rest, " "))
	return name, value, ok && len(bytes.TrimSpace(rest)) == 0
}

// end reads the line that ends a response: OK, NO or BYE, perhaps a code in parentheses, perhaps a text.
func (s *SieveReply) end(line []byte) error {
	word, rest, _ := bytes.Cut(line, []byte(" "))
	s.Status = strings.ToUpper(string(word))
	if s.Status != "OK" && s.Status != "NO" && s.Status != "BYE" {
		*s = SieveReply{}
		return ErrSyntax
	}
	if bytes.HasPrefix(rest, []byte("(")) {
		code, after, found := bytes.Cut(rest[1:], []byte(")"))
		if found {
			s.Code, rest = string(code), bytes.TrimLeft(after, " ")
		}
	}
	text, _, ok := cutQuoted(rest)
	if !ok {
		text = string(rest)
	}
	s.Text = text
	return nil
}
