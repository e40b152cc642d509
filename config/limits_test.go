package config

import (
	"fmt"
	"strings"
	"testing"
)

// bombs are files that cost a YAML library time or memory. All of them are refused before it sees them, or without
// what would be expensive; BenchmarkBombs says how fast.
var bombs = map[string]string{
	"brackets":       strings.Repeat("[", 40<<10),
	"braces":         strings.Repeat("{a: ", 10<<10),
	"closed":         strings.Repeat("[", 20<<10) + strings.Repeat("]", 20<<10),
	"dashes":         strings.Repeat("- ", 20<<10),
	"questions":      strings.Repeat("? ", 20<<10),
	"in a value":     "cluster: " + strings.Repeat("[", 40<<10),
	"indentation":    indented(300),
	"aliases":        aliasBomb(),
	"merge keys":     "a: &a {b: 1}\nc:\n" + strings.Repeat("  <<: *a\n", 4000),
	"many documents": strings.Repeat("---\n", 10<<10),
	"quotes":         strings.Repeat("\"", 40<<10+1),
	"many keys":      "nodes: {" + strings.Repeat("a: 1, ", 7000) + "}",
	"long ranges":    "cluster: a\nnodes:\n" + strings.Repeat("  - {name: \"[0-65535]-[0-65535]\", address: 10.0.0.1+}\n", 700),
	"same names":     "cluster: a\nnodes:\n" + strings.Repeat("  - {name: \"[0-60000]\", address: 10.0.0.1+}\n", 700),
}

func indented(depth int) string {
	var s strings.Builder
	for i := range depth {
		fmt.Fprintf(&s, "%sa:\n", strings.Repeat(" ", i))
	}
	return s.String()
}

func aliasBomb() string {
	var s strings.Builder
	s.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 200 {
		fmt.Fprintf(&s, "a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	return s.String()
}

// A file within 16 MiB may still be too much for memory.
func TestTooManyValues(t *testing.T) {
	_, err := parse("nodes: ["+strings.Repeat("1,", maxValues)+"]", Options{})
	if want := "t.yaml:1:2000005: more than 1000000 words, numbers and brackets"; fmt.Sprint(err) != want {
		t.Errorf("Parse = %v, want %s", err, want)
	}
}

func TestBombs(t *testing.T) {
	for name, text := range bombs {
		if _, err := parse(text, Options{}); err == nil {
			t.Errorf("%s: loads", name)
		}
	}
}

func BenchmarkBombs(b *testing.B) {
	for name, text := range bombs {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				parse(text, Options{})
			}
		})
	}
}

// Depth counts brackets and indentation together, and text does not count.
func TestDepth(t *testing.T) {
	for _, c := range []struct {
		what, text string
		deep       bool
	}{
		{"31 brackets below a key", "a: " + strings.Repeat("[", 31) + strings.Repeat("]", 31), false},
		{"33 brackets below a key", "a: " + strings.Repeat("[", 33) + strings.Repeat("]", 33), true},
		{"30 levels", indented(30) + strings.Repeat(" ", 30) + "b: c", false},
		{"34 levels", indented(34), true},
		{"16 levels and 20 brackets", indented(16) + strings.Repeat(" ", 16) + strings.Repeat("[", 20) + strings.Repeat("]", 20), true},
		{"brackets in quotes", `a: "` + strings.Repeat("[", 100) + `"`, false},
		{"brackets in a comment", "a: b # " + strings.Repeat("[", 100), false},
		{"brackets in a word", "a: b" + strings.Repeat("[", 100), false},
		{"brackets in a block", "a: |\n  " + strings.Repeat("[", 100) + "\n", false},
		{"indentation in a block", "a: |\n" + strings.ReplaceAll(indented(100), "a:", "    x") + "b: c\n", false},
		{"many lists one after the other", strings.Repeat("a: [[[[]]]]\n", 100), false},
		{"a list at the indentation of its key", "a:\n- b:\n  - c:\n    - d\n", false},
	} {
		_, err := parse(c.text, Options{})
		if deep := strings.Contains(fmt.Sprint(err), "nested"); deep != c.deep {
			t.Errorf("%s: refused for depth: %t, want %t: %v", c.what, deep, c.deep, err)
		}
	}
}
