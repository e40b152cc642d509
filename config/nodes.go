package config

import (
	"fmt"
	"slices"
)

func (b *builder) buildNodes() {
	b.nodeAt = make(map[*Node]position)
	b.nodeNamed = make(map[string]*Node)
	if b.document.nodes != nil {
		for _, n := range b.document.nodes.items {
			b.buildEntry(n)
		}
	}
	b.applyOverrides()
	b.checkDuplicates()
	b.noteLive()
}

type servedKey struct{ service, region string }

// noteLive finds out what is run, and where.
func (b *builder) noteLive() {
	b.served = make(map[servedKey]bool)
	for _, n := range b.Nodes {
		for _, name := range n.Services {
			if n.State != Disabled {
				b.served[servedKey{name, n.Region}] = true
				b.entry(name).Live = true
			}
		}
	}
}

// buildEntry makes the nodes of one item of the list.
func (b *builder) buildEntry(n *node) {
	e := nodeEntry{Node: Node{Weight: 1}}
	s := b.loader.about("%s", nodeSubject(n))
	if n.shape != mapping {
		s.subject, s.key = "", "an item of nodes"
		s.wants(n, "a mapping of keys such as {name: node-1, address: 10.0.0.11}")
		return
	}
	nodeKeys.read(s, &e, n)
	b.requireBoth(s, n)
	b.settle(s, &e, n)
	if e.name != nil && e.address != nil {
		b.expand(s, e, n)
	}
}

func (b *builder) requireBoth(s scope, n *node) {
	for _, key := range []string{"name", "address"} {
		if _, given := s.seen[key]; !given {
			s.errorf(n.position, "%q is missing", key)
		}
	}
}

func nodeSubject(n *node) string {
	if name := n.get("name"); name != nil && name.shape == scalar && name.text != "" {
		return fmt.Sprintf("node %q", shortened(name.text))
	}
	return "a node without a name"
}

// settle resolves the names of regions, roles and services in an entry.
func (b *builder) settle(s scope, e *nodeEntry, n *node) {
	b.settleRegion(s, e, n.position)
	b.settleServices(s, e, n.position)
	for _, key := range []string{"weights", "ports"} {
		b.checkServiceKeys(s, e, key, n.get(key))
	}
}

func (b *builder) settleRegion(s scope, e *nodeEntry, at position) {
	switch {
	case e.region != nil && !slices.Contains(b.regionNames, e.region.text):
		s.errorf(e.region.position, "no region %q%s", shortened(e.region.text), b.suggest(e.region.text, b.regionNames))
	case e.region != nil:
		e.Region = e.region.text
	case e.Region != "": // an override that leaves it
	case len(b.Regions) > 1:
		s.errorf(at, `"region" is missing: there are several`)
	default:
		e.Region = b.Regions[0].Name
	}
}

func (b *builder) settleServices(s scope, e *nodeEntry, at position) {
	given := 0
	for _, n := range []*node{e.role, e.roles, e.services} {
		if n != nil {
			given++
		}
	}
	switch {
	case given > 1:
		s.errorf(at, "a node has one of role, roles and services, not several of them")
	case e.services != nil:
		s.key = "services"
		e.Roles = nil
		e.Services, _ = b.servicesOf(s, e.services)
	case e.roles != nil:
		b.takeRoles(s, e, e.roles.items)
	case e.role != nil:
		b.takeRoles(s, e, []*node{e.role})
	case e.Services == nil:
		e.Roles, e.Services = []string{unifiedRole}, b.role(unifiedRole).Services
	}
}

func (b *builder) takeRoles(s scope, e *nodeEntry, names []*node) {
	e.Roles = nil
	var services []string
	for _, n := range names {
		if n.shape != scalar {
			s.key = "roles"
			s.wants(n, "names of roles")
			continue
		}
		r := b.role(n.text)
		if r == nil {
			s.errorf(n.position, "no role %q%s", shortened(n.text), b.suggest(n.text, append(b.roleNames, unifiedRole)))
			continue
		}
		if slices.Contains(e.Roles, r.Name) {
			s.errorf(n.position, "roles lists %q twice", r.Name)
		}
		e.Roles = append(e.Roles, r.Name)
		services = append(services, r.Services...)
	}
	e.Services = b.inOrder(services)
}

// checkServiceKeys refuses a weight or port for a service that the node does not run.
func (b *builder) checkServiceKeys(s scope, e *nodeEntry, key string, n *node) {
	if n == nil {
		return
	}
	for _, p := range n.pairs {
		switch name := p.key.text; {
		case b.entry(name) == nil:
			s.errorf(p.key.position, "%s: no service %q%s", key, shortened(name), b.suggest(name, b.serviceNames()))
		case !slices.Contains(e.Services, name) && e.Services != nil:
			s.errorf(p.key.position, "%s: the node does not run %q", key, name)
		}
	}
}

// expand makes a node for each step of the entry's ranges.
func (b *builder) expand(s scope, e nodeEntry, n *node) {
	name, err := parsePattern(e.name.text)
	if err != nil {
		s.errorf(e.name.position, "name: %v", err)
		return
	}
	where, ok := b.whereabouts(s, e.address)
	if !ok {
		return
	}
	counters := name.counters
	for _, w := range where {
		counters = append(counters, w.pattern.counters...)
	}
	count, err := length(counters)
	switch {
	case err != nil:
		s.errorf(n.position, "%v", err)
		return
	case count > 1 && len(name.counters) == 0:
		s.errorf(e.name.position, "the address counts %d nodes, but the name has no brackets to tell them apart", count)
		return
	case count > 1 && fixed(where):
		s.errorf(e.address.position, "all %d nodes would have one address: count it up with brackets, or with + behind an IP address", count)
		return
	case len(b.Nodes)+count > maxNodes:
		b.tooMany(n.position)
		return
	}
	for i := range count {
		if !b.addNode(s, e, name.at(i), where, i) {
			return
		}
	}
}

// tooMany says once that the ranges of the file add up to too much.
func (b *builder) tooMany(at position) {
	if !b.full {
		b.full = true
		b.errorf(at, "the file would have more than %d nodes", maxNodes)
	}
}

// addNode makes the i-th node of an entry. It returns false after a mistake that the next ones would repeat.
func (b *builder) addNode(s scope, e nodeEntry, name string, where []whereabouts, i int) bool {
	n := e.Node
	n.Name, n.File, n.Line = name, e.name.file, e.name.line
	if !validName(name) {
		s.errorf(e.name.position, nameRule)
		return false
	}
	if taken := b.taken(s, e, name); !b.locate(s, &n, where, i) || taken {
		return false
	}
	b.Nodes = append(b.Nodes, &n)
	b.nodeNamed[name] = &n
	b.nodeAt[&n] = e.name.position
	return true
}

// taken reports a name that another node has.
func (b *builder) taken(s scope, e nodeEntry, name string) bool {
	other := b.nodeNamed[name]
	if other != nil {
		s.errorf(e.name.position, "%q is the name of another node, at %s", name, b.nodeAt[other])
	}
	return other != nil
}
