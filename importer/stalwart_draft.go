package importer

import (
	"fmt"
	"slices"
	"strings"
)

// Draft makes a topology of it, and tells what it left out. Where the cluster does not say its name, cluster is taken.
func (s *Stalwart) Draft(cluster string) (*Draft, []string) {
	t := &translation{source: s, services: make(map[string]*Entry), of: make(map[string][]string)}
	d := &Draft{Cluster: cluster, Head: []string{
		"Made from what a Stalwart cluster says of itself. It does not say which region and role a node has, nor where it",
		"can be reached from here: look at every line of nodes, then posthouse check, and posthouse doctor.",
	}}
	if d.Cluster == "" {
		d.Cluster = "mail.example.org"
		if hostName.MatchString(s.Settings.Hostname) {
			d.Cluster = s.Settings.Hostname
		}
	}
	for _, l := range s.Listeners {
		for _, port := range l.ports() {
			t.listener(l, port)
		}
		if len(l.ports()) == 0 {
			t.leave("listener %s binds no port", l.Name)
		}
	}
	d.Services = t.entries()
	d.Roles = t.roles()
	d.Nodes = t.nodes(d.Roles)
	d.Defaults.set("proxy_protocol", t.proxy(s.Settings.Trusted))
	if len(s.Settings.Trusted) > 0 {
		d.Head = append(d.Head, "Nodes require a PROXY header from "+printable(strings.Join(s.Settings.Trusted, ", "))+": this balancer must be in there.")
	} else {
		d.Head = append(d.Head, "Nodes trust nobody's PROXY header: they see this balancer's address, and limit and ban it. Better put it into",
			"proxyTrustedNetworks, and proxy_protocol: v2 here.")
	}
	return d, t.left
}

type translation struct {
	source   *Stalwart
	services map[string]*Entry
	order    []string
	of       map[string][]string // services by the id of a listener
	left     []string
}

func (t *translation) leave(format string, args ...any) {
	t.left = append(t.left, printable(fmt.Sprintf(format, args...)))
}

func (t *translation) proxy(trusted set) string {
	if len(trusted) > 0 {
		return "v2"
	}
	return "none"
}

// listener adds the services that a port of a listener is for.
func (t *translation) listener(l StalwartListener, port uint16) {
	protocol := map[string]string{"smtp": "smtp", "lmtp": "lmtp", "http": "http", "imap": "imap", "pop3": "pop3", "manageSieve": "sieve"}[l.Protocol]
	switch {
	case protocol == "":
		t.leave("listener %s on port %d: the protocol %q is not known here", l.Name, port, l.Protocol)
	case protocol == "http" && !l.Implicit:
		t.leave("listener %s on port %d: plain HTTP is used for ACME challenges only; for more, give it a service of its own", l.Name, port)
	case protocol == "http":
		for _, name := range []string{"jmap", "webdav", "http"} {
			t.add(l, name, port, 443)
		}
	default:
		t.mail(l, protocol, port)
	}
}

// mail adds the built-in service of a protocol with or without TLS, or one of its own where that is another listener's.
func (t *translation) mail(l StalwartListener, protocol string, port uint16) {
	if known, ok := byPort[port]; ok && known.protocol == protocol && known.implicit == l.Implicit {
		t.add(l, known.name, port, port)
		return
	}
	e := t.own(l, port)
	e.Keys.set("protocol", protocol)
	e.Keys.set("port", fmt.Sprint(port))
	e.Keys.set("listen", fmt.Sprintf(`[":%d"]`, port))
	if l.Implicit {
		e.Keys.set("tls", "passthrough")
	}
	t.override(e, l)
}

// add is a built-in service at a port of the nodes.
func (t *translation) add(l StalwartListener, name string, port, usual uint16) {
	if t.services[name] != nil {
		t.leave("listener %s on port %d: %s is another listener's already", l.Name, port, name)
		return
	}
	e := &Entry{Name: name}
	if port != usual {
		e.Keys.set("port", fmt.Sprint(port))
	}
	t.take(l, e)
	t.override(e, l)
}

func (t *translation) own(l StalwartListener, port uint16) *Entry {
	name := named(l.Name, "listener")
	for _, known := range byPort {
		if name == known.name || name == "jmap" || name == "webdav" {
			name = fmt.Sprintf("%s-%d", name, port)
			break
		}
	}
	for t.services[name] != nil {
		name = fmt.Sprintf("%s-%d", name, port)
	}
	e := &Entry{Name: name}
	t.take(l, e)
	return e
}

func (t *translation) take(l StalwartListener, e *Entry) {
	t.services[e.Name] = e
	t.order = append(t.order, e.Name)
	t.of[l.ID] = append(t.of[l.ID], e.Name)
}

// override says where a listener trusts others than the cluster does.
func (t *translation) override(e *Entry, l StalwartListener) {
	if len(l.Trusted) > 0 && len(t.source.Settings.Trusted) == 0 {
		e.Keys.set("proxy_protocol", "v2")
		e.Note = "requires a PROXY header from " + strings.Join(l.Trusted, ", ")
	}
}

// entries are the services that differ from what is built in.
func (t *translation) entries() (all []Entry) {
	for _, name := range t.order {
		if e := t.services[name]; len(e.Keys) > 0 {
			all = append(all, *e)
		}
	}
	return all
}

// roles are those of the cluster, and the built-in one where its nodes open something else out of the box.
func (t *translation) roles() (roles []Entry) {
	usual := []string{"smtp", "submissions", "imaps", "pop3s", "sieve", "jmap", "webdav", "http"}
	if len(t.order) > 0 && !sameWords(usual, t.order) {
		roles = append(roles, Entry{Name: "unified", Text: words(t.order), Note: "nodes without a role open every listener"})
	}
	taken := map[string]bool{"unified": true}
	for _, r := range t.source.Roles {
		var services []string
		for _, l := range t.source.Listeners {
			if r.Listeners.enables(l.ID) {
				services = append(services, t.of[l.ID]...)
			}
		}
		e := Entry{Name: unique(named(r.Name, "role"), taken), Text: words(services), Note: r.Tasks.words()}
		roles = append(roles, e)
	}
	return roles
}

func (v variant) words() string {
	if v.Type == "" {
		return ""
	}
	s := "tasks: " + v.Type
	if len(v.Some) > 0 {
		s += " " + strings.Join(v.Some, ", ")
	}
	return s + "; a balancer has no part in them"
}

func sameWords(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// nodes are those of the inventory, by their host names.
func (t *translation) nodes(roles []Entry) (nodes []Node) {
	ask := "reachable by this name? else its address"
	if len(t.source.Roles) > 0 {
		var names []string
		for _, r := range roles {
			if r.Name != "unified" {
				names = append(names, r.Name)
			}
		}
		ask += "; role, if its STALWART_ROLE is " + strings.Join(names, " or ")
	}
	taken := make(map[string]bool)
	for _, n := range t.source.Nodes {
		host := n.Hostname
		if named(host, "") != host || !machine(host) || taken[host] {
			t.leave("node %q: not a host name, or there twice", n.Hostname)
			continue
		}
		taken[host] = true
		node := Node{Keys: Keys{{"name", word(host)}, {"address", word(host)}}, Note: ask, Off: n.Status == "inactive"}
		if n.Status != "" && n.Status != "active" {
			node.Note = "it was " + n.Status + "; " + node.Note
		}
		nodes = append(nodes, node)
	}
	if !slices.ContainsFunc(nodes, func(n Node) bool { return !n.Off }) {
		nodes = append(nodes, Node{Keys: Keys{{"name", "node-1"}, {"address", "10.0.0.11"}}, Note: "the source names no node: put yours here, with address, region and role"})
	}
	return nodes
}
