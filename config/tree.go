package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds how deep lists and mappings nest. The deepest key of a topology is at 8.
const maxDepth = 32

// place is where something stands in the source, lines and columns from 1.
type position struct {
	file         string
	line, column int
}

func (p position) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column) }

// node is a value of the file with its place: a YAML node of which only what a topology may hold is left.
type node struct {
	position
	shape   shape
	tag     string // of a scalar: "!!str", "!!int", "!!float", "!!bool", "!!null", ...
	text    string // of a scalar
	quoted  bool
	literal bool // a block scalar that keeps its lines, "|"
	items   []*node
	pairs   []pair
}

type pair struct{ key, value *node }

type shape uint8

const (
	broken shape = iota // was refused already; whoever meets it says nothing more
	scalar
	list
	mapping
)

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, p := range n.pairs {
		if p.key.text == key {
			return p.value
		}
	}
	return nil
}

// described is what an operator would call the value.
func (n *node) described() string {
	switch {
	case n.shape == list && len(n.items) == 0:
		return "an empty list"
	case n.shape == list:
		return "a list"
	case n.shape == mapping:
		return "a mapping"
	case n.tag == "!!null":
		return "nothing"
	case n.quoted || n.tag == "!!str":
		return strconv.Quote(shortened(n.text))
	}
	return shortened(n.text)
}

func shortened(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// parseFile turns one file into its top mapping, nil if it is empty or no YAML. Mistakes go to the loader.
func (l *loader) parseFile(f File) *node {
	scanned := scan(f)
	l.problems = append(l.problems, scanned.problems...)
	if scanned.fatal {
		l.unread = true
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(f.Data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		l.syntax(f, scanned, err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		l.errorf(position{f.Name, second.Line, second.Column}, "a second document: a file holds one")
	case !errors.Is(err, io.EOF):
		l.syntax(f, scanned, err)
	}
	top := l.convert(f.Name, document.Content[0], 1)
	if top.shape == scalar && top.tag == "!!null" {
		return nil
	}
	if top.shape != mapping {
		l.unread = true
		if top.shape != broken {
			l.errorf(top.position, "a topology is a mapping of keys such as cluster and nodes, not %s", top.described())
		}
		return nil
	}
	return top
}

// syntax reports what the YAML parser could not read, unless the scanner has said it better.
func (l *loader) syntax(f File, scanned scanned, err error) {
	l.unread = true
	if len(scanned.problems) > 0 {
		return
	}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	at := scanned.locate(f)
	if rest, found := strings.CutPrefix(message, "line "); found {
		if _, what, cut := strings.Cut(rest, ": "); cut {
			message = what
		}
	}
	l.errorf(at, "not YAML: %s", message)
}

func (l *loader) convert(file string, y *yaml.Node, depth int) *node {
	n := &node{position: position{file, y.Line, y.Column}, tag: y.ShortTag(), text: y.Value}
	n.quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	n.literal = y.Style&yaml.LiteralStyle != 0
	switch y.Kind {
	case yaml.ScalarNode:
		n.shape = scalar
		return n
	case yaml.AliasNode: // the scanner has refused it
		return n
	}
	if depth > maxDepth {
		l.errorf(n.position, "nested more than %d deep", maxDepth)
		return n
	}
	if y.Kind == yaml.SequenceNode {
		n.shape = list
		for _, c := range y.Content {
			n.items = append(n.items, l.convert(file, c, depth+1))
		}
		return n
	}
	n.shape = mapping
	l.convertPairs(file, n, y.Content, depth)
	return n
}

func (l *loader) convertPairs(file string, n *node, content []*yaml.Node, depth int) {
	first := make(map[string]position, len(content)/2)
	for i := 0; i+1 < len(content); i += 2 {
		key := l.convert(file, content[i], depth+1)
		value := l.convert(file, content[i+1], depth+1)
		if key.shape != scalar {
			if key.shape != broken {
				l.errorf(key.position, "a key is a word, not %s", key.described())
			}
			continue
		}
		if key.tag == "!!merge" && !key.quoted {
			l.errorf(key.position, "merge keys are not part of this format: write the keys out")
			continue
		}
		if at, twice := first[key.text]; twice {
			l.errorf(key.position, "%q is given twice, first at line %d", shortened(key.text), at.line)
			continue
		}
		first[key.text] = key.position
		n.pairs = append(n.pairs, pair{key, value})
	}
}
