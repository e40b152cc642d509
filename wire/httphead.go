package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// RequestHead is what CheckRequestHead saw on the way: how the message is framed, and what decides where it goes. The slices
// are parts of the head.
type RequestHead struct {
	httpFraming
	Method, Target []byte
	Host           []byte // nil: none
	Destination    []byte // of WebDAV (RFC 4918, 10.3); nil: none
	Expect         bool   // Expect: 100-continue
	WebSocket      bool   // Upgrade: websocket

	hosts int
}

// The bounds of a head: more fields than any client of ours sends, fewer than what costs more than the request.
const (
	maxFields  = 200
	maxLengthN = 18 // digits: an int64 holds them
)

// errHead is the root of everything that is refused in a head.
var errHead = errors.New("bad head")

func headError(format string, a ...any) error {
	return fmt.Errorf("%w: %s", errHead, fmt.Sprintf(format, a...))
}

// CheckRequestHead reads a whole request head, from the method to the empty line, as strictly as RFC 9112 allows, and
// refuses whatever two parsers could frame in two ways (RFC 9112, 11.2: request smuggling): line ends other than CRLF,
// folding, white space around names, two lengths, a length with a coding, a coding on HTTP/1.0 or another than chunked,
// control characters, versions other than 1.0 and 1.1, and none or several Host fields. It allocates only for errors.
func CheckRequestHead(head []byte) (RequestHead, error) {
	var h RequestHead
	h.Length = -1
	line, rest, err := headLine(head)
	if err != nil {
		return h, err
	}
	if err := h.requestLine(line); err != nil {
		return h, err
	}
	for fields := 0; ; fields++ {
		var name, value []byte
		if name, value, rest, err = nextField(rest, fields); err != nil {
			return h, err
		}
		if name == nil {
			return h, h.whole(rest)
		}
		if err := h.field(name, value); err != nil {
			return h, err
		}
	}
}

// nextField takes the field number fields from 0 off the lines of a head; the name of the empty line is nil.
func nextField(lines []byte, fields int) (name, value, rest []byte, err error) {
	line, rest, err := headLine(lines)
	switch {
	case err != nil || len(line) == 0:
		return nil, nil, rest, err
	case fields == maxFields:
		return nil, nil, nil, headError("more than %d fields", maxFields)
	}
	name, value, err = splitField(line)
	return name, value, rest, err
}

// whole checks what only the end of the head can tell.
func (h *RequestHead) whole(rest []byte) error {
	switch {
	case len(rest) > 0:
		return headError("bytes behind the empty line")
	case h.hosts > 1 || h.hosts == 0 && !h.HTTP10: // RFC 9112, 3.2
		return headError("%d Host fields", h.hosts)
	}
	return h.framed()
}

func (h *RequestHead) field(name, value []byte) error {
	switch len(name) {
	case len("host"):
		if EqualFold(name, "host") {
			return h.host(value)
		}
	case len("expect"):
		if EqualFold(name, "expect") {
			h.Expect = EqualFold(value, "100-continue")
		}
	case len("destination"):
		if EqualFold(name, "destination") {
			return h.destination(value)
		}
	case len("upgrade"), len("connection"), len("content-length"), len("transfer-encoding"):
		if EqualFold(name, "upgrade") {
			h.WebSocket = EqualFold(value, "websocket")
		}
		return h.frame(name, value)
	}
	return nil
}

func (h *RequestHead) host(value []byte) error {
	h.hosts++
	h.Host = present(value)
	for _, c := range value {
		if isBlank(c) || c == ',' || c == '/' || c == '@' {
			return headError("Host is not a host")
		}
	}
	return nil
}

func (h *RequestHead) destination(value []byte) error {
	if h.Destination != nil {
		return headError("two Destination fields")
	}
	h.Destination = present(value)
	return nil
}

// present is a value that is there, even if it is empty.
func present(value []byte) []byte {
	if value == nil {
		return empty
	}
	return value
}

var empty = []byte{}

// headLine takes one line without its CRLF. A CR before that is left to who looks at every byte of the line, as all do.
func headLine(b []byte) (line, rest []byte, err error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil, nil, headError("it has no end")
	}
	if end == 0 || b[end-1] != '\r' {
		return nil, nil, headError("a bare line feed")
	}
	return b[:end-1], b[end+1:], nil
}

// requestLine wants method SP target SP version (RFC 9112, 3), with single spaces.
func (h *RequestHead) requestLine(line []byte) error {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !isToken(method) {
		return headError("the method is not a token")
	}
	target, version, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(target) == 0 {
		return headError("the request line has not three parts")
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7f {
			return headError("a byte %#02x in the target", c)
		}
	}
	h.Method, h.Target = method, target
	var err error
	h.HTTP10, err = httpVersion(version)
	return err
}

func httpVersion(version []byte) (http10 bool, err error) {
	switch string(version) {
	case "HTTP/1.1":
		return false, nil
	case "HTTP/1.0":
		return true, nil
	}
	return false, headError("version %.16q", version)
}

// splitField wants name ":" OWS value OWS (RFC 9112, 5): no space before the colon, no folding.
func splitField(line []byte) (name, value []byte, err error) {
	if isBlank(line[0]) {
		return nil, nil, headError("a folded line")
	}
	colon := 0
	for colon < len(line) && tokenByte[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return nil, nil, headError("a field name is not a token")
	}
	name, value = line[:colon], line[colon+1:]
	switch c, bad := control(value); {
	case bad && c == '\r':
		return nil, nil, headError("a bare carriage return")
	case bad:
		return nil, nil, headError("a control character in %.32q", name)
	}
	return name, TrimBlanks(value), nil
}

// HeadEnd looks for the empty line that ends a head, from an offset before which an earlier call has looked, and returns the head's
// length, 0 if it has no end yet, and the offset for the next call. A bare LF ends a line here: it is CheckRequestHead that refuses it,
// and the peer need not wait for that.
func HeadEnd(b []byte, from int) (length, looked int) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0, from
		}
		at := from + i
		switch rest := b[at+1:]; {
		case len(rest) == 0, len(rest) == 1 && rest[0] == '\r':
			return 0, at
		case rest[0] == '\n':
			return at + 2, at
		case rest[0] == '\r' && rest[1] == '\n':
			return at + 3, at
		}
		from = at + 1
	}
}
