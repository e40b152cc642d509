package config

import (
	"fmt"
	"slices"
)

// maxProblems bounds what one load reports: past it nobody reads on.
const maxProblems = 1000

// loader is one load in progress: what is being read, and what is wrong with it.
type loader struct {
	source   Source
	options  Options
	dir      string // what relative paths are relative to
	problems Problems
	warnings Problems
	files    []reference
	unread   bool // a file is no YAML: what it would have said is missing everywhere
	guesses  int  // words compared so far; see suggest
}

func (l *loader) errorf(at position, format string, args ...any) {
	if len(l.problems) <= maxProblems {
		l.problems = append(l.problems, problemAt(at, format, args...))
	}
}

func (l *loader) warnf(at position, format string, args ...any) {
	if len(l.warnings) < maxProblems {
		l.warnings = append(l.warnings, problemAt(at, format, args...))
	}
}

// missing reports something that serve cannot do without and check can.
func (l *loader) missing(at position, format string, args ...any) {
	if l.options.Serve {
		l.errorf(at, format, args...)
	} else {
		l.warnf(at, format, args...)
	}
}

func problemAt(at position, format string, args ...any) Problem {
	return Problem{File: at.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)}
}

// result is every mistake in the order of the file, or nil.
func (l *loader) result() error {
	if len(l.problems) == 0 {
		return nil
	}
	l.problems.sort()
	found := slices.Compact(l.problems)
	if len(found) > maxProblems {
		last := found[maxProblems]
		last.Message = fmt.Sprintf("more than %d mistakes; the rest is not shown", maxProblems)
		found = append(found[:maxProblems:maxProblems], last)
	}
	return found
}

// scope is a loader at work on one part of the file: messages name that part in the operator's words.
type scope struct {
	*loader
	subject string              // `service "imaps"`, or "" at the top
	key     string              // the dotted key below the subject
	seen    map[string]position // the dotted keys that the file gives, by where; nil: nobody asks
}

func (l *loader) about(format string, args ...any) scope {
	return scope{loader: l, subject: fmt.Sprintf(format, args...), seen: make(map[string]position)}
}

func (s scope) under(key string) scope {
	if s.key != "" {
		key = s.key + "." + key
	}
	s.key = key
	return s
}

// errorf reports a mistake of the subject.
func (s scope) errorf(at position, format string, args ...any) {
	s.loader.errorf(at, "%s", s.prefixed(fmt.Sprintf(format, args...)))
}

func (s scope) warnf(at position, format string, args ...any) {
	s.loader.warnf(at, "%s", s.prefixed(fmt.Sprintf(format, args...)))
}

func (s scope) prefixed(message string) string {
	if s.subject == "" {
		return message
	}
	return s.subject + ": " + message
}

// inside is " in check" below the key check.
func (s scope) inside() string {
	if s.key == "" {
		return ""
	}
	return " in " + s.key
}

// wants reports a value that is not what its key takes.
func (s scope) wants(n *node, want string) {
	if n.shape != broken {
		s.errorf(n.position, "%s takes %s, not %s", s.key, want, n.described())
	}
}
