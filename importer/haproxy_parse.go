package importer

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// haLine is a line of a haproxy.cfg as words.
type haLine struct {
	number int
	words  []string
}

func (l haLine) is(words ...string) bool {
	return len(l.words) >= len(words) && slices.Equal(l.words[:len(words)], words)
}

// rest is the words behind the first n; none if there are none.
func (l haLine) rest(n int) []string { return l.words[min(n, len(l.words)):] }

// arg is a word by its place, "" if the line ends before.
func (l haLine) arg(n int) string {
	if n < len(l.words) {
		return l.words[n]
	}
	return ""
}

// haSection is a proxy, or global or defaults, and its lines.
type haSection struct {
	kind, name string
	from       string // defaults that it names
	number     int
	lines      []haLine
}

var haKinds = []string{"global", "defaults", "frontend", "backend", "listen"}

// otherKinds begin sections that have no counterpart here.
var otherKinds = []string{"userlist", "peers", "mailers", "resolvers", "program", "http-errors", "cache", "ring", "fcgi-app", "log-forward", "crt-store", "traces", "acme", "log-profile"}

// parseHAProxy cuts a configuration into sections.
func parseHAProxy(r io.Reader) ([]*haSection, error) {
	var sections []*haSection
	var current *haSection
	lines := bufio.NewScanner(bounded(r))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		words, err := haWords(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		switch {
		case len(words) == 0:
		case slices.Contains(haKinds, words[0]) || slices.Contains(otherKinds, words[0]):
			current = &haSection{kind: words[0], number: n}
			if len(words) > 1 && words[1] != "from" {
				current.name = words[1]
			}
			if i := slices.Index(words, "from"); i > 0 && i+1 < len(words) {
				current.from = words[i+1]
			}
			sections = append(sections, current)
		case current == nil:
			return nil, fmt.Errorf("line %d: %q stands before the first section: is this a haproxy.cfg?", n, words[0])
		default:
			current.lines = append(current.lines, haLine{n, words})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(sections) == 0 {
		return nil, fmt.Errorf("no section in it: is this a haproxy.cfg?")
	}
	return sections, nil
}

// haWords cuts a line as HAProxy does: spaces divide, # begins a comment, quotes and backslashes keep them from it
// (HAProxy configuration manual, 2.2).
func haWords(line string) (words []string, err error) {
	var b strings.Builder
	quote, inside := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			b.WriteByte(line[i])
			inside = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inside = c, true
		case c == '#':
			i = len(line)
		case c == ' ' || c == '\t' || c == '\r':
			if inside {
				words = append(words, b.String())
			}
			b.Reset()
			inside = false
		default:
			b.WriteByte(c)
			inside = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if inside {
		words = append(words, b.String())
	}
	return words, nil
}
