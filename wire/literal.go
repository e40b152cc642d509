package wire

import (
	"bytes"
	"strconv"
)

// MaxLiteral bounds a literal before login: nothing that a server says there needs more.
const MaxLiteral = 4 << 10

// maxLiterals bounds those of one line: each makes the line so far be looked at again.
const maxLiterals = 32

// readLogical reads a line in which literals ({5} or {5+}, a line end, five bytes) are written as quoted strings, so
// that what parses it knows one form of string only. With `literals` false the line is text, braces and all.
func readLogical(r *LineReader, literals func(line []byte) bool) ([]byte, error) {
	var whole []byte
	for range maxLiterals {
		part, err := r.ReadLine()
		if err != nil {
			return nil, midway(err, len(whole))
		}
		whole = append(whole, part...)
		if !literals(whole) {
			return whole, nil
		}
		head, size, found := cutLiteral(whole)
		if !found {
			return whole, nil
		}
		if size > MaxLiteral {
			return nil, ErrTooMuch
		}
		inside, err := r.ReadN(size)
		if err != nil {
			return nil, err
		}
		whole = appendQuoted(head, inside)
	}
	return nil, ErrTooMuch
}

// cutLiteral takes the announcement of a literal off the end of a line.
func cutLiteral(line []byte) (head []byte, size int, found bool) {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' || insideQuotes(line[:open]) {
		return line, 0, false
	}
	digits := bytes.TrimSuffix(line[open+1:len(line)-1], []byte("+"))
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if err != nil {
		return line, 0, false
	}
	return line[:open], int(n), true
}

func insideQuotes(line []byte) bool {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		}
	}
	return quoted
}

func appendQuoted(dst, inside []byte) []byte {
	dst = append(dst, '"')
	for _, b := range inside {
		if b == '"' || b == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}

// cutQuoted takes a quoted string off the front of a line.
func cutQuoted(line []byte) (inside string, rest []byte, ok bool) {
	if len(line) == 0 || line[0] != '"' {
		return "", line, false
	}
	var text []byte
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] == '"':
			return string(text), line[i+1:], true
		case line[i] == '\\' && i+1 < len(line):
			i++
		}
		text = append(text, line[i])
	}
	return "", line, false
}
