package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Differences is how one topology differs from another in its nodes or its services, by name.
type Differences struct {
	Added   []string     `json:"added,omitempty"`
	Removed []string     `json:"removed,omitempty"`
	Moved   []Difference `json:"moved,omitempty"`   // nodes: to another region, address or port
	Changed []Difference `json:"changed,omitempty"` // in anything else
}

// Difference is what differs in one node or service, in words.
type Difference struct {
	Name    string   `json:"name"`
	Changes []string `json:"changes"`
}

// Empty says whether there are none.
func (d Differences) Empty() bool {
	return len(d.Added)+len(d.Removed)+len(d.Moved)+len(d.Changed) == 0
}

// CompareNodes is what became of the nodes, in the order of the files.
func CompareNodes(old, next *Topology) Differences {
	before, after := nodesByName(old), nodesByName(next)
	var d Differences
	for _, n := range old.Nodes {
		if after[n.Name] == nil {
			d.Removed = append(d.Removed, n.Name)
		}
	}
	for _, n := range next.Nodes {
		o := before[n.Name]
		if o == nil {
			d.Added = append(d.Added, n.Name)
			continue
		}
		if moved := moves(old, next, o, n); moved != nil {
			d.Moved = append(d.Moved, Difference{n.Name, moved})
		}
		if changed := nodeChanges(o, n); changed != nil {
			d.Changed = append(d.Changed, Difference{n.Name, changed})
		}
	}
	return d
}

func nodesByName(t *Topology) map[string]*Node {
	all := make(map[string]*Node, len(t.Nodes))
	for _, n := range t.Nodes {
		all[n.Name] = n
	}
	return all
}

// changes gathers what differs.
type changes []string

func (c *changes) note(what string, old, next any) {
	if a, b := fmt.Sprint(old), fmt.Sprint(next); a != b {
		*c = append(*c, fmt.Sprintf("%s %s -> %s", what, a, b))
	}
}

func moves(old, next *Topology, o, n *Node) (c changes) {
	c.note("region", o.Region, n.Region)
	c.note("address", placeOf(o), placeOf(n))
	for _, s := range next.Services {
		if before := old.Service(s.Name); before != nil && o.Runs(s.Name) && n.Runs(s.Name) {
			c.note("port of "+s.Name, o.Port(before), n.Port(s))
		}
	}
	return c
}

func placeOf(n *Node) string {
	if n.Host != "" {
		return n.Host
	}
	words := make([]string, len(n.Addresses))
	for i, a := range n.Addresses {
		words[i] = a.String()
	}
	return strings.Join(words, ",")
}

func nodeChanges(o, n *Node) (c changes) {
	c.note("weight", o.Weight, n.Weight)
	for _, s := range slices.Sorted(maps.Keys(union(o.Weights, n.Weights))) {
		c.note("weight for "+s, o.WeightFor(s), n.WeightFor(s))
	}
	c.note("state", o.State, n.State)
	c.note("max_sessions", limitText(o.MaxSessions), limitText(n.MaxSessions))
	for _, s := range n.Services {
		if !o.Runs(s) {
			c = append(c, "+"+s)
		}
	}
	for _, s := range o.Services {
		if !n.Runs(s) {
			c = append(c, "-"+s)
		}
	}
	return c
}

func union[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	if all == nil {
		all = make(map[string]V)
	}
	maps.Copy(all, b)
	return all
}

func limitText(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// CompareServices is what became of the live services. A change names the keys only.
func CompareServices(old, next *Topology) Differences {
	var d Differences
	for _, s := range old.Services {
		if after := next.Service(s.Name); s.Live && (after == nil || !after.Live) {
			d.Removed = append(d.Removed, s.Name)
		}
	}
	for _, s := range next.Services {
		before := old.Service(s.Name)
		switch {
		case !s.Live:
		case before == nil || !before.Live:
			d.Added = append(d.Added, s.Name)
		default:
			if keys := serviceChanges(before, s); keys != nil {
				d.Changed = append(d.Changed, Difference{s.Name, keys})
			}
		}
	}
	return d
}

// serviceChanges is the keys of a service that differ. A key is called as its field, but for one.
func serviceChanges(a, b *Service) (keys []string) {
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	for i := range x.NumField() {
		name := x.Type().Field(i).Name
		if name == "ProxySet" || name == "Live" || sameValue(x.Field(i).Interface(), y.Field(i).Interface()) {
			continue
		}
		keys = append(keys, cmp.Or(map[string]string{"Proxy": "proxy_protocol", "TLS": "tls", "StartTLS": "starttls"}[name], underscored(name)))
	}
	return keys
}

// underscored is SlowStart as slow_start.
func underscored(name string) string {
	var b strings.Builder
	for i, c := range name {
		if i > 0 && 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}
