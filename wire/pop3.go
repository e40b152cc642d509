package wire

import "strings"

// POP3Reply is one status line of a POP3 server.
type POP3Reply struct {
	OK   bool
	Text string
}

// ReadPOP3Reply reads +OK or -ERR (RFC 1939, 3).
func ReadPOP3Reply(r *LineReader) (POP3Reply, error) {
	line, err := r.ReadLine()
	if err != nil {
		return POP3Reply{}, err
	}
	word, text, _ := strings.Cut(string(line), " ")
	switch strings.ToUpper(word) {
	case "+OK":
		return POP3Reply{OK: true, Text: text}, nil
	case "-ERR":
		return POP3Reply{Text: text}, nil
	}
	return POP3Reply{}, ErrSyntax
}

// ReadPOP3Lines reads what follows +OK of a multi-line reply, to the line that is a dot, dots unstuffed.
func ReadPOP3Lines(r *LineReader) ([]string, error) {
	var lines []string
	for {
		line, err := r.ReadLine()
		if err != nil {
			return nil, midway(err, 1)
		}
		if string(line) == "." {
			return lines, nil
		}
		lines = append(lines, strings.TrimPrefix(string(line), "."))
	}
}

// POP3Capabilities are the lines of a reply to CAPA (RFC 2449, 5) in upper case, sorted, but for IMPLEMENTATION,
// which is returned as it was written.
func POP3Capabilities(lines []string) (capabilities []string, implementation string) {
	var rest []string
	for _, l := range lines {
		word, text, _ := strings.Cut(l, " ")
		if strings.EqualFold(word, "IMPLEMENTATION") {
			implementation = text
			continue
		}
		rest = append(rest, l)
	}
	return sorted(rest), implementation
}
