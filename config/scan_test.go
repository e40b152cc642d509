package config

import (
	"strings"
	"testing"
)

// What the scanner finds, by line and column.
func TestScan(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: b\n", ""},
		{"\ta: b\n", "1:1 a tab"},
		{"a: b\n \tc: d\n", "2:2 a tab"},
		{"a:\tb\n", "1:3 a tab"},
		{"a: b\t# c\n", "1:5 a tab"},
		{"a: b # \tc\n", ""},
		{"a: \"b\tc\"\n", ""},
		{"a: 'b\tc'\n", ""},
		{"a: |\n  b\tc\n\tno: block\n", "3:1 a tab"},
		{"a: >-\n  b\tc\n\n  d\t\ne: f\n", ""},
		{"- a: |\n    b\tc\n  d:\te\n", "3:5 a tab"},
		{"é: \"ü\" # ö\nü:\tb\n", "2:3 a tab"}, // columns count characters
		{"\xef\xbb\xbfa:\tb\n", "1:3 a tab"},
		{"a: b\r\nc:\td\r\n", "2:3 a tab"},
		{"a: &x b\n", `1:4 "&x"`},
		{"a: *x\n", `1:4 "*x"`},
		{"a: [*x, !t y]\n", `1:5 "*x", 1:9 "!t"`},
		{"a: b&c*d!e\n", ""},
		{"a: \"&x\"\n", ""},
		{"a: @b\n", `1:4 "@b"`},
		{"a: `b`\n", "1:4 \"`b`\""},
		{"%YAML 1.1\n---\na: b\n", `1:1 "%YAML"`},
		{"a: {b: c[1-3]}\n", `1:8 brackets`},
		{"a: {b: c [1-3], d: e[4-5]f}\n", `1:8 brackets, 1:20 brackets`},
		{"a: [1-3]x\n", ""}, // outside brackets this is for the YAML parser
		{"a: {b: [1-3]x}\n", "1:13 text behind"},
		{"a: [b\nc: d\n", ""}, // a word may go on in the next line
		{"a: [b, {c: d}\ne: f\n", "2:1 a comma"},
		{"a: [:1]\n", `1:5 ":1"`},
		{"a: :1\n", ""},
		{"a: [-1, - 1, ?x]\n", ""},
		{"a: 'it''s'\nb: c\td\n", "2:5 a tab"},
		{"a: \"\\\"\"\nb: c\td\n", "2:5 a tab"},
		{"a: it's\nb: c\td\n", "2:5 a tab"},
		{"a: b#c\nb: c\td\n", "2:5 a tab"},
		{"a: \"b\n", "1:4 quotes"},
		{"a: b\x00\n", "1:5 a control character (U+0000)"},
		{"a: b\xff\n", "1:5 not UTF-8"},
		{"a: b\rc: d\n", "1:5 a control character (U+000D)"},
		{"a: b\u2028\n", "1:5 a control character (U+2028)"},
		{"a: {\"b\":c, 'd':e}\n", ""},
		{"? a\n: b\n", ""},
	} {
		var got []string
		for _, p := range scan(File{"t", []byte(c.text)}).problems {
			got = append(got, strings.Replace(strings.TrimPrefix(p.String(), "t:"), ": ", " ", 1))
		}
		ok := (len(got) == 0) == (c.want == "") && len(got) == len(strings.Split(c.want, ", ")) || c.want == "" && len(got) == 0
		for i, want := range strings.Split(c.want, ", ") {
			ok = ok && (c.want == "" || strings.HasPrefix(got[i], want))
		}
		if !ok {
			t.Errorf("scan(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

// Where YAML itself is at fault, the place is that of the construct.
func TestSyntaxPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: 1\nb: 2\n  c: 3\nd: 4\n", "t.yaml:3:3: not YAML: mapping values are not allowed in this context"},
		{"a: 1\nb:\n  - c\n d: 3\n", "t.yaml:4:2: not YAML: did not find expected key"},
		{"a: 1\nb: [1-3]x\nc: 3\n", "t.yaml:2:1: not YAML: did not find expected key"},
		{"a: 1\nb: }\nc: 3\n", "t.yaml:2:1: not YAML: did not find expected node content"},
		{"a: 1\n---\nb: }\n", "t.yaml:3:1: not YAML: did not find expected node content"},
	} {
		_, err := parse(c.text, Options{})
		if err == nil || err.Error() != c.want {
			t.Errorf("parse(%q):\n%v\nwant:\n%s", c.text, err, c.want)
		}
	}
}
