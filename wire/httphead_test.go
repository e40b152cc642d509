package wire

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const get = "GET / HTTP/1.1\r\nHost: a\r\n"

// TestCheckRequestHead goes through testdata/heads.txt: what two parsers could read in two ways, and what must pass.
func TestCheckRequestHead(t *testing.T) {
	for _, row := range headVectors(t) {
		_, err := CheckRequestHead([]byte(row.head))
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("CheckRequestHead(%q) = %v, want %q", row.head, err, row.want)
		}
	}
	many := get + strings.Repeat("X: y\r\n", maxFields) + "\r\n"
	if _, err := CheckRequestHead([]byte(many)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d fields: %v", maxFields+1, err)
	}
}

type headVector struct{ head, want string } // "" passes

func headVectors(t testing.TB) []headVector {
	t.Helper()
	text, err := os.ReadFile("testdata/heads.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []headVector
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var row headVector
		if _, err := fmt.Sscanf(line, "%q %q", &row.head, &row.want); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, row)
	}
	return all
}

// TestControl: every byte at every place of a text counts as it does alone.
func TestControl(t *testing.T) {
	for length := range 26 {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("~\t \xff", 7)[:length])
				text[at] = byte(c)
				want := c < ' ' && c != '\t' || c == 0x7f
				if got, found := control(text); found != want || found && got != byte(c) {
					t.Fatalf("control(%q) = %q, %v", text, got, found)
				}
			}
		}
	}
}

func FuzzCheckRequestHead(f *testing.F) {
	for _, row := range headVectors(f) {
		f.Add([]byte(row.head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		h, err := CheckRequestHead(head)
		if err == nil && (h.Chunked && h.Length >= 0 || strings.Count(string(head), "\n") != strings.Count(string(head), "\r\n")) {
			t.Errorf("CheckRequestHead(%q) = %+v", head, h)
		}
	})
}
