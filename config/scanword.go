package config

import (
	"bytes"
	"fmt"
)

// word consumes a plain scalar, or what begins like one and is refused.
func (s *scanner) word(c byte) {
	switch {
	case c == '&' || c == '*':
		s.refuse(`%q: anchors and aliases are not part of this format (quote a value that begins with %c)`, c)
	case c == '!':
		s.refuse(`%q: tags are not part of this format (quote a value that begins with %c)`, c)
	case c == '@' || c == '`' || c == '%':
		s.refuse(`%q: quote a value that begins with %c`, c)
		s.result.fatal = true
	case s.flow == 0 && (c == '|' || c == '>'):
		s.blockScalar()
	case s.flow > 0 && (c == ':' || c == '-' || c == '?'):
		s.colon()
	default:
		s.enter(false)
		s.plain()
	}
}

func (s *scanner) refuse(format string, c byte) {
	line, column := s.line, s.column
	s.problemAt(line, column, false, fmt.Sprintf(format, shortened(string(s.rest())), c))
	s.value = c != '&' && c != '!' // those stand before a value
}

// rest consumes up to white space or a separator.
func (s *scanner) rest() []byte {
	from := s.i
	s.step()
	for !s.blankAhead(0) && (s.flow == 0 || !bytes.ContainsRune([]byte(",[]{}"), rune(s.peek(0)))) {
		s.step()
	}
	return s.data[from:s.i]
}

// colon is a word of a flow list or mapping that begins with a separator: YAML takes "-1" but not ":993".
func (s *scanner) colon() {
	if s.peek(0) != ':' {
		s.plain()
		return
	}
	line, column := s.line, s.column
	word := s.rest()
	s.problemAt(line, column, true, fmt.Sprintf("%q needs its quotes: the colon has a meaning of its own here", shortened(string(word))))
	s.value = true
}

// plain consumes a scalar without quotes up to the end of the line or of the scalar.
func (s *scanner) plain() {
	s.count()
	from, line, column := s.i, s.line, s.column
	for s.i < len(s.data) && s.data[s.i] != '\n' {
		c := s.data[s.i]
		switch {
		case c == '#' && s.blank, c == ':' && s.plainEnds():
			s.value = true
			return
		case c == '\t':
			s.tab()
			continue
		case s.flow > 0 && (c == '[' || c == '{'):
			s.bracketed(from, line, column)
			return
		case s.flow > 0 && (c == ',' || c == ']' || c == '}'):
			s.value = true
			return
		}
		s.step()
	}
}

func (s *scanner) plainEnds() bool {
	return s.blankAhead(1) || s.flow > 0 && bytes.IndexByte([]byte(",[]{}"), s.peek(1)) >= 0
}

// bracketed is name: eu-[1-3] inside a flow mapping, where YAML ends the word at the bracket.
func (s *scanner) bracketed(from, line, column int) {
	depth := 0
	for s.i < len(s.data) && s.data[s.i] != '\n' {
		c := s.data[s.i]
		if depth == 0 && (c == ',' || c == ']' || c == '}') {
			break
		}
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		s.step()
	}
	word := bytes.TrimRight(s.data[from:s.i], " \r")
	s.problemAt(line, column, true, fmt.Sprintf("brackets inside { } or [ ] need quotes: %q", shortened(string(word))))
	s.value = true
}

// unseparated is text behind a value inside brackets: [1-3]-imap, or a bracket that was never closed.
func (s *scanner) unseparated() {
	if s.blank {
		s.problem(true, "a comma or a closing bracket is missing before this")
		s.stop = true
		return
	}
	s.problem(true, "text behind a bracket or quote: put the whole value in quotes")
	s.rest()
}

// quoted consumes a scalar in quotes, over lines if need be.
func (s *scanner) quoted(quote byte) {
	s.count()
	line, column := s.line, s.column
	s.step()
	for s.i < len(s.data) {
		c := s.data[s.i]
		s.step()
		switch {
		case c == '\\' && quote == '"':
			s.step()
		case c == quote && quote == '\'' && s.peek(0) == quote && s.i < len(s.data):
			s.step()
		case c == quote:
			s.value = true
			return
		}
	}
	s.problemAt(line, column, true, "quotes that are not closed")
}

// blockScalar consumes the lines of a "|" or ">" scalar: they may hold anything, tabs too. The first line with text says
// how far they are indented.
func (s *scanner) blockScalar() {
	s.comment()
	s.step()
	indent := 0
	for s.i < len(s.data) {
		line, _, _ := bytes.Cut(s.data[s.i:], []byte("\n"))
		leading := len(line) - len(bytes.TrimLeft(line, " "))
		if blank := len(bytes.TrimSpace(line)) == 0; !blank {
			if indent == 0 {
				indent = max(leading, s.indent)
			}
			if leading < indent {
				break
			}
		}
		s.i += min(len(line)+1, len(s.data)-s.i)
		s.line++
	}
	s.column = 1
	s.lineStart()
}
