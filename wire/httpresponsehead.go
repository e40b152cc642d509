package wire

import "bytes"

// ResponseHead is what CheckResponseHead saw on the way.
type ResponseHead struct {
	httpFraming
	Status      int
	EventStream bool // Content-Type: text/event-stream

	encodings int
}

// CheckResponseHead reads a whole response head as strictly as CheckRequestHead does a request's: a proxy must not pass on
// what its client could frame in another way (RFC 9112, 6.3). It allocates only for errors.
func CheckResponseHead(head []byte) (ResponseHead, error) {
	var h ResponseHead
	h.Length = -1
	line, rest, err := headLine(head)
	if err != nil {
		return h, err
	}
	if err := h.statusLine(line); err != nil {
		return h, err
	}
	for fields := 0; ; fields++ {
		var name, value []byte
		if name, value, rest, err = nextField(rest, fields); err != nil {
			return h, err
		}
		if name == nil {
			break
		}
		if err := h.field(name, value); err != nil {
			return h, err
		}
	}
	if len(rest) > 0 {
		return h, headError("bytes behind the empty line")
	}
	return h, h.framed()
}

// statusLine wants version SP three digits, and SP and a reason, which may be missing (RFC 9112, 4).
func (h *ResponseHead) statusLine(line []byte) (err error) {
	version, rest, _ := bytes.Cut(line, []byte{' '})
	if h.HTTP10, err = httpVersion(version); err != nil {
		return err
	}
	code, reason, _ := bytes.Cut(rest, []byte{' '})
	n, ok := parseLength(code)
	if !ok || len(code) != 3 || n < 100 || n > 599 {
		return headError("status %.16q", code)
	}
	if _, bad := control(reason); bad {
		return headError("a control character in the reason")
	}
	h.Status = int(n)
	return nil
}

func (h *ResponseHead) field(name, value []byte) error {
	switch len(name) {
	case len("content-type"):
		if EqualFold(name, "content-type") {
			kind, _, _ := bytes.Cut(value, []byte{';'})
			h.EventStream = EqualFold(TrimBlanks(kind), "text/event-stream")
		}
	case len("content-encoding"):
		// Two lines are legal, but whoever keeps the last one alone would hand on a body that nobody can decode.
		if EqualFold(name, "content-encoding") {
			if h.encodings++; h.encodings > 1 {
				return headError("two Content-Encoding fields")
			}
		}
	case len("upgrade"), len("connection"), len("content-length"), len("transfer-encoding"):
		return h.frame(name, value)
	}
	return nil
}

// Bodiless says whether a response has no body whatever its fields say (RFC 9112, 6.3): to HEAD, and by its status.
func (h *ResponseHead) Bodiless(head bool) bool {
	return head || h.Status < 200 || h.Status == 204 || h.Status == 304
}
