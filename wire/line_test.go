package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLine(t *testing.T) {
	for _, c := range []struct {
		name, in string
		bareLF   bool
		lines    string // joined by |
		err      error
	}{
		{"two lines", "a\r\nb\r\n", false, "a|b", io.EOF},
		{"empty line", "\r\nb\r\n", false, "|b", io.EOF},
		{"nothing", "", false, "", io.EOF},
		{"half a line", "a\r\nb", false, "a", io.ErrUnexpectedEOF},
		{"bare LF, strict", "a\nb\r\n", false, "", ErrBareLF},
		{"bare LF, lenient", "a\nb\r\n", true, "a|b", io.EOF},
		{"bare CR, strict", "a\rb\r\n", false, "", ErrBareCR},
		{"bare CR, lenient", "a\rb\r\n", true, "a\rb", io.EOF},
		{"as long as may be", "0123456789\r\n", false, "0123456789", io.EOF},
		{"too long", "0123456789a\r\n", false, "", ErrLineTooLong},
		{"too long, no end", strings.Repeat("x", 500), false, "", ErrLineTooLong},
		{"too much", "012345678\r\n012345678\r\n012345678\r\n012345678\r\n", false, "012345678|012345678", ErrTooMuch},
	} {
		for _, slow := range []bool{false, true} {
			var in io.Reader = strings.NewReader(c.in)
			if slow {
				in = iotest.OneByteReader(in)
			}
			r := LineReader{R: in, MaxLine: 10, Max: 30, BareLF: c.bareLF}
			lines, err := allLines(&r)
			if got := strings.Join(lines, "|"); got != c.lines || !errors.Is(err, c.err) {
				t.Errorf("%s (byte by byte: %v) = %q, %v, want %q, %v", c.name, slow, got, err, c.lines, c.err)
			}
		}
	}
}

func TestReadN(t *testing.T) {
	r := LineReader{R: strings.NewReader("head\r\nbodytail\r\n"), Max: 100}
	line, _ := r.ReadLine()
	if string(line) != "head" {
		t.Fatalf("ReadLine = %q", line)
	}
	body, err := r.ReadN(4)
	if string(body) != "body" || err != nil {
		t.Fatalf("ReadN = %q, %v", body, err)
	}
	if string(r.Buffered()) != "tail\r\n" {
		t.Fatalf("Buffered = %q", r.Buffered())
	}
	if _, err := r.ReadN(1000); !errors.Is(err, ErrTooMuch) {
		t.Fatalf("ReadN beyond the limit: %v, want %v", err, ErrTooMuch)
	}
}

func TestReaderThatGivesNothing(t *testing.T) {
	r := LineReader{R: stuck{}}
	if _, err := r.ReadLine(); !errors.Is(err, io.ErrNoProgress) {
		t.Fatalf("ReadLine = %v, want %v", err, io.ErrNoProgress)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// FuzzReadLine: lines do not depend on how the bytes are cut into reads, and stay within the limits.
func FuzzReadLine(f *testing.F) {
	f.Add([]byte("a\r\nb\r\n"), true)
	f.Add([]byte("220 x\n\r\n\r\r\n"), false)
	f.Add(bytes.Repeat([]byte("long"), 2000), false)
	f.Fuzz(func(t *testing.T, in []byte, lenient bool) {
		whole := LineReader{R: bytes.NewReader(in), MaxLine: 100, Max: 400, BareLF: lenient}
		single := LineReader{R: iotest.OneByteReader(bytes.NewReader(in)), MaxLine: 100, Max: 400, BareLF: lenient}
		a, errA := allLines(&whole)
		b, errB := allLines(&single)
		if strings.Join(a, "\n") != strings.Join(b, "\n") || (errA == io.EOF) != (errB == io.EOF) {
			t.Fatalf("%q: %q, %v in one read and %q, %v byte by byte", in, a, errA, b, errB)
		}
		if n := len(strings.Join(a, "")); n > 400 || cap(whole.buf) > 2048 {
			t.Fatalf("%d bytes handed out, buffer of %d", n, cap(whole.buf))
		}
	})
}

func allLines(r *LineReader) ([]string, error) {
	var lines []string
	for {
		line, err := r.ReadLine()
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(line))
	}
}
