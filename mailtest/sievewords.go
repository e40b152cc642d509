package mailtest

import (
	"errors"
	"strconv"
	"strings"
)

var (
	errString  = errors.New("a string without an end")
	errLiteral = errors.New("a literal that is malformed or too long")
)

// splitWords takes a line of a ManageSieve command apart (RFC 5804, 4). A literal at its end is announced in bytes,
// its text follows; -1 means that there is none. Clients send non-synchronising literals ("{5+}") only; "{5}" counts
// as one, too.
func splitWords(line string) (words []string, literal int, err error) {
	for rest := strings.TrimLeft(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var word string
		switch rest[0] {
		case '"':
			if word, rest, err = quoted(rest[1:]); err != nil {
				return nil, -1, err
			}
		case '{':
			literal, err = literalSize(rest)
			return words, literal, err
		default:
			word, rest, _ = strings.Cut(rest, " ")
		}
		words = append(words, word)
	}
	return words, -1, nil
}

// quoted reads to the closing quote; what precedes it is the string.
func quoted(s string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", errString
}

func literalSize(s string) (int, error) {
	digits, ok := strings.CutSuffix(s[1:], "}")
	size, err := strconv.ParseUint(strings.TrimSuffix(digits, "+"), 10, 31)
	if !ok || err != nil || size > maxScript {
		return -1, errLiteral
	}
	return int(size), nil
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
