package config

import (
	"slices"
	"strings"
)

// buildRoles reads the roles of the file. The built-in one joins them if a node needs it.
func (b *builder) buildRoles() {
	b.roles = make(map[string]*Role)
	if b.document.roles == nil {
		return
	}
	for _, p := range b.document.roles.pairs {
		r := &Role{Name: p.key.text}
		s := b.loader.about("role %q", r.Name)
		if !validName(r.Name) {
			s.errorf(p.key.position, nameRule)
		}
		s.key = "a role"
		r.Services, _ = b.servicesOf(s, p.value)
		b.Roles = append(b.Roles, r)
		b.roles[r.Name] = r
		b.roleNames = append(b.roleNames, r.Name)
	}
}

// role returns the role of that name, or nil. The built-in one comes into being when it is asked for.
func (b *builder) role(name string) *Role {
	if r := b.roles[name]; r != nil || name != unifiedRole {
		return r
	}
	r := &Role{Name: unifiedRole, Services: b.inOrder(everything)}
	b.Roles = append(b.Roles, r)
	b.roles[unifiedRole] = r
	return r
}

// servicesOf reads what a role or node runs: "all", or a list of names, "all" and "-name".
func (b *builder) servicesOf(s scope, n *node) ([]string, bool) {
	const want = `all, or a list such as [imaps, sieve] or [all, -pop3s]`
	if n.shape == scalar && n.text == "all" {
		return b.inOrder(everything), true
	}
	if n.shape != list {
		s.wants(n, want)
		return nil, false
	}
	runs, complete := make(map[string]bool), true
	for _, item := range n.items {
		complete = b.addService(s, runs, item) && complete
	}
	for _, item := range n.items {
		complete = b.removeService(s, runs, item) && complete
	}
	return b.inOrder(sortedKeys(runs)), complete
}

func (b *builder) addService(s scope, runs map[string]bool, item *node) bool {
	switch {
	case item.shape != scalar || item.tag != "!!str" || item.text == "":
		s.wants(item, "names of services")
		return false
	case strings.HasPrefix(item.text, "-"):
		return true
	case item.text == "all":
		for _, name := range everything {
			runs[name] = true
		}
		return true
	}
	if b.entry(item.text) == nil {
		s.errorf(item.position, "no service %q%s", shortened(item.text), b.suggest(item.text, b.serviceNames()))
		return false
	}
	runs[item.text] = true
	return true
}

func (b *builder) removeService(s scope, runs map[string]bool, item *node) bool {
	name, removes := strings.CutPrefix(item.text, "-")
	if !removes || item.shape != scalar {
		return true
	}
	if b.entry(name) == nil {
		s.errorf(item.position, "no service %q%s", shortened(name), b.suggest(name, b.serviceNames()))
		return false
	}
	if !runs[name] {
		s.errorf(item.position, "%q takes away what is not in the list", item.text)
		return false
	}
	delete(runs, name)
	return true
}

// inOrder sorts names of services as Topology.Services has them.
func (b *builder) inOrder(names []string) []string {
	ordered := make([]string, 0, len(names))
	for _, e := range b.entries {
		if slices.Contains(names, e.Name) {
			ordered = append(ordered, e.Name)
		}
	}
	return ordered
}
