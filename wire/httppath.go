package wire

import (
	"errors"
	"strings"
)

// ErrPath is what PathReadings refuses: a path that no two servers need to read alike.
var ErrPath = errors.New("ambiguous path")

// PathReadings lists the ways in which servers read a path (without the query): as it came, percent-decoded once, and
// decoded with empty and dot segments taken out (RFC 3986, 6.2.2). A choice made by path is sound where all of them
// lead to the same place; for almost every path there is only one. Bad escapes, NUL, control characters, back slashes
// and dot segments that climb above the root are ErrPath.
func PathReadings(path string) ([]string, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, ErrPath
	}
	if PlainPath(path) {
		return []string{path}, nil
	}
	decoded, err := unescape(path)
	if err != nil {
		return nil, err
	}
	clean, err := removeDots(decoded)
	if err != nil {
		return nil, err
	}
	// The escapes stay where dots go first and decoding second: /a%2f.. is one segment to some, two to others.
	cleanFirst, err := removeDots(path)
	if err != nil {
		return nil, err
	}
	return []string{path, decoded, clean, cleanFirst}, nil
}

// PlainPath says that a path has one reading: there is nothing to decode and nothing to take out.
func PlainPath[T string | []byte](path T) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c == '%', c == '\\', c == '#', c < ' ', c == 0x7f:
			return false
		case c == '/' && i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.'):
			return false
		}
	}
	return true
}

func unescape(path string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if i+2 >= len(path) {
				return "", ErrPath
			}
			high, low := unhex(path[i+1]), unhex(path[i+2])
			if high < 0 || low < 0 {
				return "", ErrPath
			}
			c = byte(high<<4 | low)
			i += 2
		}
		if c < ' ' || c == 0x7f || c == '\\' || c == '#' && path[i] == '#' { // a fragment is no part of a request (RFC 9112, 3.2)
			return "", ErrPath
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func removeDots(path string) (string, error) {
	var kept []string
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch segment {
		case "", ".":
		case "..":
			if len(kept) == 0 {
				return "", ErrPath
			}
			kept = kept[:len(kept)-1]
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/"), nil
}
