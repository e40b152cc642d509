package config

import "strings"

// field is one key of a mapping: what it is called, and how its value gets into a T.
type field[T any] struct {
	name string
	read func(s scope, into *T, n *node)
	keys func() []string // dotted names below it; nil: none
	form func() form
}

// table is all keys of a mapping. Everything that knows the format reads the tables: decoding, suggestions, and
// whatever prints a description of the format.
type table[T any] []field[T]

// key is a field whose value goes straight into T.
func key[T, V any](name string, k kind[V], at func(*T) *V) field[T] {
	return field[T]{name: name, form: func() form { return k.form }, read: func(s scope, into *T, n *node) {
		if v, ok := k.read(s, n); ok {
			*at(into) = v
		}
	}}
}

// section is a field that is a mapping of its own, read key by key into what T has already.
func section[T, V any](name string, keys table[V], at func(*T) *V) field[T] {
	return field[T]{
		name: name,
		read: func(s scope, into *T, n *node) { keys.read(s, at(into), n) },
		keys: keys.names,
		form: keys.form,
	}
}

// read decodes a mapping into a T. What is wrong is reported; the rest is decoded all the same.
func (t table[T]) read(s scope, into *T, n *node) {
	if n.shape != mapping {
		s.wants(n, "a mapping of keys")
		return
	}
	for _, p := range n.pairs {
		f := t.field(p.key.text)
		if f == nil {
			s.errorf(p.key.position, "unknown key %q%s%s", shortened(p.key.text), s.inside(), t.suggest(s, p.key.text))
			continue
		}
		inner := s.under(f.name)
		if s.seen != nil {
			s.seen[inner.key] = p.key.position
		}
		f.read(inner, into, p.value)
	}
}

func (t table[T]) field(name string) *field[T] {
	for i := range t {
		if t[i].name == name {
			return &t[i]
		}
	}
	return nil
}

func (t table[T]) names() []string {
	var all []string
	for _, f := range t {
		all = append(all, f.name)
		if f.keys != nil {
			for _, below := range f.keys() {
				all = append(all, f.name+"."+below)
			}
		}
	}
	return all
}

// suggest knows a key that only stands a level too high, such as idle for timeouts.idle.
func (t table[T]) suggest(s scope, word string) string {
	names := t.names()
	for _, name := range names {
		if strings.HasSuffix(name, "."+word) {
			return ` (did you mean "` + name + `"?)`
		}
	}
	return s.loader.suggest(word, names)
}
