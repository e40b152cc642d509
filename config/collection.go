package config

import "fmt"

// listOf is a list of one kind, without repetitions.
func listOf[V comparable](k kind[V]) kind[[]V] {
	want := "a list"
	return kind[[]V]{want, listForm(k.form), func(s scope, n *node) ([]V, bool) {
		if n.shape != list {
			s.wants(n, want+listHint(n))
			return nil, false
		}
		all, complete := make([]V, 0, len(n.items)), true
		seen := make(map[V]bool, len(n.items))
		for _, item := range n.items {
			v, ok := k.read(s, item)
			switch {
			case !ok:
				complete = false
			case seen[v]:
				s.errorf(item.position, "%s lists %s twice", s.key, item.described())
			default:
				seen[v] = true
				all = append(all, v)
			}
		}
		return all, complete
	}}
}

// oneOrMore is a kind that takes a value alone, as a list of it, or a list.
func oneOrMore[V comparable](k kind[V]) kind[[]V] {
	more := listOf(k)
	return kind[[]V]{k.want + ", or " + more.want, anyForm(k.form, more.form), func(s scope, n *node) ([]V, bool) {
		if n.shape == list {
			return more.read(s, n)
		}
		v, ok := k.read(s, n)
		return []V{v}, ok
	}}
}

func listHint(n *node) string {
	if n.shape == scalar && n.tag != "!!null" {
		return fmt.Sprintf(" such as [%s]", n.described())
	}
	return ""
}

// mapOf is a mapping from names that the operator chose to values of one kind.
func mapOf[V any](want string, k kind[V]) kind[map[string]V] {
	return kind[map[string]V]{want, namedForm(k.form), func(s scope, n *node) (map[string]V, bool) {
		if n.shape != mapping {
			s.wants(n, want)
			return nil, false
		}
		all, complete := make(map[string]V, len(n.pairs)), true
		for _, p := range n.pairs {
			inner := s.under(p.key.text)
			if s.seen != nil {
				s.seen[inner.key] = p.key.position
			}
			v, ok := k.read(inner, p.value)
			complete = complete && ok
			if ok {
				all[p.key.text] = v
			}
		}
		return all, complete
	}}
}

// word keeps the name of something for later.
func word(want string) kind[*node] {
	return kind[*node]{want, scalarForm(want, words), func(s scope, n *node) (*node, bool) {
		if n.shape != scalar || n.tag != words {
			s.wants(n, want+quoteHint(n, words))
			return nil, false
		}
		return n, true
	}}
}

// as keeps the value for later, once its shape is right: what it means depends on other parts of the file, and so does
// its form (see shown).
func as(want string, shapes ...shape) kind[*node] {
	return kind[*node]{want, form{"description": want}, func(s scope, n *node) (*node, bool) {
		for _, shape := range shapes {
			if n.shape == shape {
				return n, true
			}
		}
		s.wants(n, want)
		return nil, false
	}}
}
