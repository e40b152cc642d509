package config

// applyOverrides changes single nodes of ranges.
func (b *builder) applyOverrides() {
	if b.document.overrides == nil {
		return
	}
	names := make([]string, len(b.Nodes))
	for i, n := range b.Nodes {
		names[i] = n.Name
	}
	for _, p := range b.document.overrides.pairs {
		n := b.nodeNamed[p.key.text]
		if n == nil {
			b.errorf(p.key.position, "overrides: no node %q%s", shortened(p.key.text), b.suggest(p.key.text, names))
			continue
		}
		b.override(n, p)
	}
}

func (b *builder) override(n *Node, p pair) {
	s := b.loader.about("node %q", n.Name)
	if p.value.shape != mapping {
		s.key = "an override"
		s.wants(p.value, "a mapping of keys")
		return
	}
	e := nodeEntry{Node: *n}
	overrideKeys.read(s, &e, p.value)
	b.settle(s, &e, p.value)
	if e.address != nil {
		b.move(s, &e)
		b.nodeAt[n] = p.key.position // from here on a mistake about where it is is a mistake of this line
	}
	*n = e.Node
}

// move gives a single node another address.
func (b *builder) move(s scope, e *nodeEntry) {
	where, ok := b.whereabouts(s, e.address)
	for _, w := range where {
		if len(w.pattern.counters) > 0 || w.counting.IsValid() {
			s.errorf(w.position, "address: an override is of one node, and has one address without + and brackets")
			return
		}
	}
	if ok {
		b.locate(s, &e.Node, where, 0)
	}
}
