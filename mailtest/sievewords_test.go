package mailtest

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for _, row := range []struct {
		line    string
		words   []string
		literal int
		fails   bool
	}{
		{`LOGOUT`, []string{"LOGOUT"}, -1, false},
		{` HAVESPACE  "a b" 10 `, []string{"HAVESPACE", "a b", "10"}, -1, false},
		{`PUTSCRIPT "a" {5+}`, []string{"PUTSCRIPT", "a"}, 5, false},
		{`{5}`, nil, 5, false},
		{`"a \"b\" \\"`, []string{`a "b" \`}, -1, false},
		{``, nil, -1, false},
		{`"open`, nil, -1, true},
		{`"open\`, nil, -1, true},
		{`{5+`, nil, -1, true},
		{`{}`, nil, -1, true},
		{`{-5}`, nil, -1, true},
		{`{99999999999999999999+}`, nil, -1, true},
	} {
		words, literal, err := splitWords(row.line)
		if (err != nil) != row.fails || literal != row.literal || !row.fails && !slices.Equal(words, row.words) {
			t.Errorf("splitWords(%q) = %q, %d, %v, want %q, %d", row.line, words, literal, err, row.words, row.literal)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`PUTSCRIPT "a \"b\"" {5+}`)
	f.Add(`AUTHENTICATE "PLAIN" "AGFubmEAc2VjcmV0"`)
	f.Add(`"\`)
	f.Fuzz(func(t *testing.T, line string) {
		words, literal, err := splitWords(line)
		if literal > maxScript || err != nil && literal >= 0 {
			t.Fatalf("literal of %d bytes, %v", literal, err)
		}
		if err != nil || literal >= 0 {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = quote(w)
		}
		again, _, err := splitWords(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q came back as %q, %v", words, again, err)
		}
	})
}
