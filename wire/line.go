// Package wire is the grammar that proxying and probing share: bounded lines, the PROXY header as we write it,
// what a server's greeting means, and the capabilities that it announces.
//
// Everything in it is pure: it reads from an io.Reader or from bytes, knows no socket, and keeps no time. Time is
// bounded by the deadline that the caller sets on the connection, memory by the limits of LineReader. A verdict on a
// greeting is final: bytes that arrive later never change it, they only turn Incomplete into something else.
package wire

import (
	"bytes"
	"errors"
	"io"
)

// Bounds of a LineReader that names none. RFC 5321, 4.5.3.1.5 has 512 bytes for a reply line, RFC 9051, 4 has 8 KiB
// for a line; the total is what a greeting and its capabilities never come near.
const (
	DefaultMaxLine = 8 << 10
	DefaultMax     = 64 << 10
)

// What a LineReader says of its peer, beside the errors of the reader below it.
var (
	ErrLineTooLong = errors.New("line too long")
	ErrTooMuch     = errors.New("more bytes than the limit")
	ErrBareLF      = errors.New("line feed without carriage return")
	ErrBareCR      = errors.New("carriage return inside a line")
)

// LineReader reads lines from R, bounded in bytes. It never reads more from R than it needs to fill its buffer once,
// so what it holds beyond the last line is in Buffered.
type LineReader struct {
	R       io.Reader
	MaxLine int  // bytes of a line without its end; 0: DefaultMaxLine
	Max     int  // bytes of all lines and literals together; 0: DefaultMax
	BareLF  bool // a line feed alone ends a line too; false: it is ErrBareLF, and a lone carriage return ErrBareCR

	buf        []byte // buf[start:end] is read and not yet handed out
	start, end int
	spent      int // bytes handed out
}

// ReadLine returns the next line without its end; the bytes are good until the next call. At the end of the stream
// it returns io.EOF, or io.ErrUnexpectedEOF in the middle of a line.
func (r *LineReader) ReadLine() ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(r.buf[r.start+searched:r.end], '\n'); i >= 0 {
			return r.line(searched + i)
		}
		searched = r.end - r.start
		if searched > r.maxLine()+1 {
			return nil, ErrLineTooLong
		}
		if r.spent+searched >= r.max() {
			return nil, ErrTooMuch
		}
		if err := r.fill(); err != nil {
			return nil, midway(err, searched)
		}
	}
}

// line hands out buf[start:start+n], which a line feed follows.
func (r *LineReader) line(n int) ([]byte, error) {
	line := r.buf[r.start : r.start+n]
	text, hadCR := bytes.CutSuffix(line, []byte{'\r'})
	switch {
	case len(text) > r.maxLine():
		return nil, ErrLineTooLong
	case r.spent+n+1 > r.max():
		return nil, ErrTooMuch
	case !hadCR && !r.BareLF:
		return nil, ErrBareLF
	case !r.BareLF && bytes.IndexByte(text, '\r') >= 0:
		return nil, ErrBareCR
	}
	r.start += n + 1
	r.spent += n + 1
	return text, nil
}

// ReadN returns the next n bytes, which are good until the next call: the inside of a literal.
func (r *LineReader) ReadN(n int) ([]byte, error) {
	if n < 0 || r.spent+n > r.max() {
		return nil, ErrTooMuch
	}
	for r.end-r.start < n {
		if err := r.fill(); err != nil {
			return nil, midway(err, 1)
		}
	}
	b := r.buf[r.start : r.start+n]
	r.start += n
	r.spent += n
	return b, nil
}

// Buffered is what was read from R beyond the last line: where a protocol asks for a quiet line (after STARTTLS, for
// one) it must be empty.
func (r *LineReader) Buffered() []byte { return r.buf[r.start:r.end] }

// fill reads once from R, making room first.
func (r *LineReader) fill() error {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		r.makeRoom()
	}
	for range 8 { // a reader may return nothing a few times, but not for ever
		n, err := r.R.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// makeRoom moves the unread bytes to the front of the buffer, or doubles it. The limits keep it below twice the
// larger of a line and a literal.
func (r *LineReader) makeRoom() {
	into := r.buf
	if r.start == 0 {
		into = make([]byte, max(1024, 2*len(r.buf)))
	}
	r.end = copy(into, r.buf[r.start:r.end])
	r.start, r.buf = 0, into
}

func (r *LineReader) maxLine() int {
	if r.MaxLine > 0 {
		return r.MaxLine
	}
	return DefaultMaxLine
}

func (r *LineReader) max() int {
	if r.Max > 0 {
		return r.Max
	}
	return DefaultMax
}

func midway(err error, have int) error {
	if err == io.EOF && have > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}
