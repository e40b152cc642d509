package config

import (
	"bytes"
	"fmt"
	"sort"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// scanned is what a look at the raw bytes finds before YAML is parsed: what this format does not have, with the
// place that the YAML library would get wrong or not tell at all, and what would make parsing expensive.
type scanned struct {
	problems Problems
	fatal    bool  // parsing would fail, mislead or take long
	breaks   []int // offsets of line starts at which no bracket, quote or block is open
}

// locate finds the construct at which the YAML parser fails: the library tells the line of an enclosing one, or none.
func (r scanned) locate(f File) position {
	if len(f.Data) > 1<<20 {
		return position{f.Name, 1, 1}
	}
	ends := append(r.breaks, len(f.Data))
	first := sort.Search(len(ends)-1, func(i int) bool {
		var n yaml.Node
		return yaml.Unmarshal(f.Data[:ends[i]], &n) != nil
	})
	start := 0
	if first > 0 {
		start = ends[first-1]
	}
	line := bytes.Count(f.Data[:start], []byte("\n")) + 1
	column := 1
	for i := start; i < len(f.Data) && f.Data[i] == ' '; i++ {
		column++
	}
	return position{f.Name, line, column}
}

func scan(f File) scanned {
	s := &scanner{file: f.Name, data: bytes.TrimPrefix(f.Data, []byte("\xef\xbb\xbf")), line: 1, column: 1}
	s.start = len(f.Data) - len(s.data)
	if s.encoding() {
		for s.i < len(s.data) && !s.stop {
			s.lineStart()
			for s.i < len(s.data) && s.data[s.i] != '\n' && !s.stop {
				s.token()
			}
			s.step()
		}
	}
	return s.result
}

// scanner walks over the tokens of a file. It knows just enough YAML to tell structure from text.
type scanner struct {
	file         string
	data         []byte
	start        int // of data in the file: the length of a byte order mark
	i            int
	line, column int
	blank        bool    // the last byte was white space or began the line
	value        bool    // a value has ended on this line and no separator has come since
	flow         int     // open brackets
	blocks       []block // open block lists and mappings
	indent       int     // of the line
	values       int     // words, numbers and brackets so far
	stop         bool
	result       scanned
}

type block struct {
	column int
	dash   bool
}

func (s *scanner) problem(fatal bool, message string) {
	s.problemAt(s.line, s.column, fatal, message)
}

func (s *scanner) problemAt(line, column int, fatal bool, message string) {
	if len(s.result.problems) < maxProblems {
		s.result.problems = append(s.result.problems, Problem{s.file, line, column, message})
	}
	s.result.fatal = s.result.fatal || fatal
}

// encoding refuses what is no text: the columns and lines that we count would not be those of an editor.
func (s *scanner) encoding() bool {
	line, column := 1, 1
	for i := 0; i < len(s.data); {
		r, size := utf8.DecodeRune(s.data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			s.problemAt(line, column, true, "not UTF-8")
			return false
		case r == '\r' && !bytes.HasPrefix(s.data[i:], []byte("\r\n")),
			r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0,
			r == 0x2028, r == 0x2029, r == 0xfeff, r == 0xfffe, r == 0xffff:
			s.problemAt(line, column, true, fmt.Sprintf("a control character (%U)", r))
			return false
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
		i += size
	}
	return true
}

// step consumes one character.
func (s *scanner) step() {
	if s.i >= len(s.data) {
		return
	}
	c := s.data[s.i]
	s.i++
	s.blank = c == ' ' || c == '\t' || c == '\n'
	switch {
	case c == '\n':
		s.line, s.column = s.line+1, 1
	case c < utf8.RuneSelf || utf8.RuneStart(c):
		s.column++
	}
}

// peek is the character n places ahead; '\n' at the end.
func (s *scanner) peek(n int) byte {
	if s.i+n < len(s.data) {
		return s.data[s.i+n]
	}
	return '\n'
}

func (s *scanner) blankAhead(n int) bool {
	c := s.peek(n)
	return c == ' ' || c == '\t' || c == '\n' || c == '\r'
}

// maxValues bounds the words, numbers, dashes and brackets of a file: in memory each takes 200 times its two bytes. 65,536 nodes
// of a line each have 800,000.
const maxValues = 1_000_000

func (s *scanner) count() {
	if s.values++; s.values > maxValues {
		s.problem(true, fmt.Sprintf("more than %d words, numbers and brackets", maxValues))
		s.stop = true
	}
}

func (s *scanner) lineStart() {
	s.blank = true
	if s.flow == 0 {
		s.value = false
		s.result.breaks = append(s.result.breaks, s.start+s.i)
	}
	for s.peek(0) == ' ' && s.i < len(s.data) {
		s.step()
	}
	s.indent = s.column
}

// token consumes what begins here, or one character.
func (s *scanner) token() {
	c := s.data[s.i]
	switch {
	case c == ' ' || c == '\r':
		s.step()
	case c == '\t':
		s.tab()
	case c == '#' && s.blank:
		s.comment()
	case s.flow > 0 && c == ',':
		s.value = false
		s.step()
	case c == ']' || c == '}':
		s.flow = max(0, s.flow-1)
		s.step()
		s.value = true
	case c == ':' && (s.blankAhead(1) || s.value), (c == '-' || c == '?') && s.blankAhead(1):
		s.indicator(c)
	case s.value && s.flow > 0 && c != ':':
		s.unseparated()
	case c == '[' || c == '{':
		s.open()
	case c == '"' || c == '\'':
		s.enter(false)
		s.quoted(c)
	default:
		s.word(c)
	}
}

func (s *scanner) tab() {
	s.problem(true, "a tab: this format is indented and separated with spaces")
	for s.peek(0) == '\t' {
		s.step()
	}
}

func (s *scanner) comment() {
	for s.i < len(s.data) && s.data[s.i] != '\n' {
		s.step()
	}
}

func (s *scanner) indicator(c byte) {
	if c != ':' {
		s.count()
		s.enter(c == '-')
	}
	s.value = false
	s.step()
}

// enter notes a block list or mapping that begins or goes on here.
func (s *scanner) enter(dash bool) {
	if s.flow > 0 || s.value {
		return
	}
	for len(s.blocks) > 0 {
		top := s.blocks[len(s.blocks)-1]
		if top.column < s.column || top.column == s.column && (top.dash == dash || dash) {
			break
		}
		s.blocks = s.blocks[:len(s.blocks)-1]
	}
	if len(s.blocks) == 0 || s.blocks[len(s.blocks)-1] != (block{s.column, dash}) {
		s.blocks = append(s.blocks, block{s.column, dash})
	}
	s.deep()
}

func (s *scanner) open() {
	s.count()
	s.flow++
	s.value = false
	s.deep()
	s.step()
}

func (s *scanner) deep() {
	if s.flow+len(s.blocks) > maxDepth+1 {
		s.problem(true, fmt.Sprintf("nested too deeply: at most %d brackets or levels of indentation", maxDepth))
		s.stop = true
	}
}
