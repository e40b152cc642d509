package proxy

import "posthouse/wire"

// framing follows a body to its end.
type framing struct {
	chunked  bool
	untilEnd bool  // the body of a response ends with the connection
	left     int64 // of a body with a length
	chunks   wire.Chunks
	events   bool    // the content is a stream of events
	last     [4]byte // of it
}

// expected says whether more of the body must come.
func (f *framing) expected() bool {
	return f.untilEnd || f.chunked && !f.chunks.Done() || !f.chunked && f.left > 0
}

// take says how many bytes of b belong to the body, and passes over them.
func (f *framing) take(b []byte) (n int, err error) {
	switch {
	case f.untilEnd:
		f.note(b)
		return len(b), nil
	case !f.chunked:
		n = int(min(int64(len(b)), f.left))
		f.left -= int64(n)
		f.note(b[:n])
		return n, nil
	}
	for n < len(b) && !f.chunks.Done() {
		m, data, err := f.chunks.Next(b[n:])
		if data {
			f.note(b[n : n+m])
		}
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// strip is take for a client that does not know chunks: it appends the content alone.
func (f *framing) strip(dst, b []byte) (out []byte, n int, err error) {
	for n < len(b) && !f.chunks.Done() {
		m, data, err := f.chunks.Next(b[n:])
		if err != nil {
			return dst, n, err
		}
		if data {
			dst = append(dst, b[n:n+m]...)
			f.note(b[n : n+m])
		}
		n += m
	}
	return dst, n, nil
}

// note remembers the last bytes of the content.
func (f *framing) note(content []byte) {
	if !f.events {
		return
	}
	for _, c := range content[max(0, len(content)-len(f.last)):] {
		f.last = [4]byte{f.last[1], f.last[2], f.last[3], c}
	}
}

// eventEnded says whether nothing is lost if the stream ends here: there was no event yet, or the last one has ended with an empty line
// (HTML, 9.2.5), and so has the chunk that it came in.
func (f *framing) eventEnded() bool {
	if f.chunked && !f.chunks.Between() {
		return false
	}
	end := f.last[2:]
	return f.last == [4]byte{} || string(end) == "\n\n" || string(end) == "\r\r" || string(f.last[:]) == "\r\n\r\n"
}
