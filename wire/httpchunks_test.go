package wire

import (
	"strings"
	"testing"
)

// chunked runs a body through Chunks in pieces of a size: the content, how many bytes were taken, and whether it ended.
func chunked(body string, piece int) (content string, taken int, done bool, err error) {
	var c Chunks
	var got strings.Builder
	for taken < len(body) && !c.Done() {
		end := min(taken+piece, len(body))
		for taken < end && !c.Done() {
			n, data, err := c.Next([]byte(body[taken:end]))
			if err != nil {
				return got.String(), taken, false, err
			}
			if data {
				got.WriteString(body[taken : taken+n])
			}
			taken += n
		}
	}
	return got.String(), taken, c.Done(), nil
}

func TestChunks(t *testing.T) {
	for _, row := range []struct {
		body, content string
		rest          string // behind the end
	}{
		{"0\r\n\r\n", "", ""},
		{"3\r\nabc\r\n0\r\n\r\n", "abc", ""},
		{"3\r\nabc\r\n0\r\n\r\nGET /", "abc", "GET /"},
		{"003\r\nabc\r\n2\r\nde\r\n000\r\n\r\n", "abcde", ""},
		{"A;name=\"v\";x\r\n0123456789\r\n0;last\r\n\r\n", "0123456789", ""},
		{"a\r\n0\r\n\r\n34567\r\n0\r\n\r\n", "0\r\n\r\n34567", ""},
		{"1\r\nx\r\n0\r\nDigest: sha-256=abc\r\nX-A:\r\n\r\n", "x", ""},
		{"0\r\nX: \t\xe9\r\n\r\nrest", "", "rest"},
		{"0\r\nX-Forwarded: y\r\nX-Original-Forwarded-Form: y\r\n\r\n", "", ""},
	} {
		for piece := 1; piece <= len(row.body); piece++ {
			content, taken, done, err := chunked(row.body, piece)
			if content != row.content || row.body[taken:] != row.rest || !done || err != nil {
				t.Errorf("%q in pieces of %d: %q, rest %q, done %t, %v", row.body, piece, content, row.body[taken:], done, err)
			}
		}
	}
}

func TestChunksRefuse(t *testing.T) {
	for _, body := range []string{
		"\r\n", "x\r\n", " 3\r\nabc\r\n", "3 \r\nabc\r\n", "+3\r\nabc\r\n", "-3\r\nabc\r\n", "0x3\r\nabc\r\n", "3_\r\n", ";x\r\n",
		"3\nabc\r\n0\r\n\r\n",        // bare LF behind a size
		"3\r\nabc\n0\r\n\r\n",        // behind data
		"3\r\nabc\r\n0\n\n",          // at the end
		"3\r\nabc\r\n0\r\n\n",        // of the last line
		"3\r\nabcd\r\n0\r\n\r\n",     // longer than its size
		"3\rabc\r\n",                 // bare CR
		"3\r\r\nabc\r\n",             // twice
		"3;a\nb\r\nabc\r\n",          // LF in an extension
		"3;a\rb\r\nabc\r\n",          // CR in an extension
		"3;a\x00\r\nabc\r\n",         // NUL in an extension
		"1000000000000000\r\n",       // 2^60
		"ffffffffffffffffffff\r\n",   // overflow
		"0000000000000000003\r\nabc", // too many digits
		"3;" + strings.Repeat("a", maxChunkLine+1),
		"0\r\n" + strings.Repeat("A: "+strings.Repeat("b", 100)+"\r\n", 100),
		"0\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\ncontent-length: 3\r\n\r\n", "0\r\nHost: b\r\n\r\n",
		"0\r\nForwarded: for=192.0.2.1\r\n\r\n", "0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n", "0\r\nX-FORWARDED-ANYTHING-LONGER-THAN-THE-REST: x\r\n\r\n",
		"0\r\nx-real-ip: 192.0.2.1\r\n\r\n", "0\r\nX-Original-Forwarded-For: 192.0.2.1\r\n\r\n", "0\r\nTrue-Client-IP: x\r\n\r\n",
		"0\r\nAuthorization: x\r\n\r\n", "0\r\nTRANSFER-ENCODING: x\r\n\r\n",
		"0\r\n: x\r\n\r\n", "0\r\nA B: x\r\n\r\n", "0\r\nA : x\r\n\r\n", "0\r\n A: x\r\n\r\n", "0\r\nA: x\r\n b\r\n\r\n", "0\r\nGET / HTTP/1.1\r\n\r\n",
		"0\r\nA: \x00\r\n\r\n", "0\r\nA: x\n\r\n", "0\r\nA: x\ry\r\n\r\n", "0\r\n\rx",
	} {
		for _, piece := range []int{1, 2, len(body)} {
			if content, taken, done, err := chunked(body, piece); err == nil {
				t.Errorf("%.60q in pieces of %d: %q, %d taken, done %t, want an error", body, piece, content, taken, done)
			}
		}
	}
}

func TestChunksBetween(t *testing.T) {
	var c Chunks
	for _, row := range []struct {
		piece   string
		between bool
		left    int64
	}{{"3", false, 0}, {"\r\n", false, 3}, {"ab", false, 1}, {"c", false, 0}, {"\r\n", true, 0}, {"0\r\n", false, 0}, {"\r\n", false, 0}} {
		for b := []byte(row.piece); len(b) > 0; {
			n, _, err := c.Next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		if c.Between() != row.between || c.Left() != row.left {
			t.Errorf("after %q: between %t, left %d", row.piece, c.Between(), c.Left())
		}
	}
}

// FuzzChunks wants one reading however the bytes come in pieces.
func FuzzChunks(f *testing.F) {
	f.Add("3;x\r\nabc\r\n0\r\nA: b\r\n\r\nrest", 2)
	f.Add("a\r\n0123456789\r\n0\r\n\r\n", 1)
	f.Fuzz(func(t *testing.T, body string, piece int) {
		if piece < 1 {
			piece = 1
		}
		whole, taken, done, err := chunked(body, len(body)+1)
		parts, taken2, done2, err2 := chunked(body, piece)
		switch {
		case (err == nil) != (err2 == nil):
			t.Errorf("%q: whole %v, in pieces of %d %v", body, err, piece, err2)
		case err == nil && (whole != parts || taken != taken2 || done != done2):
			t.Errorf("%q: whole %q %d %t, in pieces of %d %q %d %t", body, whole, taken, done, piece, parts, taken2, done2)
		case done && !strings.HasSuffix(body[:taken], "\n\r\n"):
			t.Errorf("%q ends at %d", body, taken)
		}
	})
}
