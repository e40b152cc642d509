package config

// merged is the top mapping of all files: maps merge one level deep, lists are appended, and whatever else is named
// in two files is a mistake that names both places.
func (l *loader) merged(files []File) *node {
	all := &node{position: position{l.source.Path, 1, 1}, shape: mapping}
	if len(files) > 0 {
		all.file = files[0].Name
	}
	index := make(map[string]int)
	for _, f := range files {
		top := l.parseFile(f)
		if top == nil {
			continue
		}
		for _, p := range top.pairs {
			i, known := index[p.key.text]
			if !known {
				index[p.key.text] = len(all.pairs)
				all.pairs = append(all.pairs, p)
				continue
			}
			all.pairs[i].value = l.join(all.pairs[i], p)
		}
	}
	return all
}

// join is the value of a key that two files name.
func (l *loader) join(a, b pair) *node {
	switch {
	case a.value.shape == list && b.value.shape == list:
		joined := *a.value
		joined.items = append(joined.items[:len(joined.items):len(joined.items)], b.value.items...)
		return &joined
	case a.value.shape == mapping && b.value.shape == mapping:
		return l.union(a.value, b.value)
	}
	l.errorf(b.key.position, "%q is given twice, first at %s", b.key.text, a.key.position)
	return a.value
}

func (l *loader) union(a, b *node) *node {
	joined := *a
	joined.pairs = a.pairs[:len(a.pairs):len(a.pairs)]
	first := make(map[string]position, len(a.pairs))
	for _, p := range a.pairs {
		first[p.key.text] = p.key.position
	}
	for _, p := range b.pairs {
		if at, twice := first[p.key.text]; twice {
			l.errorf(p.key.position, "%q is given twice, first at %s", p.key.text, at)
			continue
		}
		joined.pairs = append(joined.pairs, p)
	}
	return &joined
}
