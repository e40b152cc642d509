package importer

import (
	"cmp"
	"fmt"
	"strings"
)

// haNode is the servers of all backends that are one machine.
type haNode struct {
	name, host string
	runs       []haRun
}

// haRun is a service on a node.
type haRun struct {
	haServer
	service string
	port    uint16 // 0: the service's own
}

// node adds a service to the node of a server's address: to another one of that address if it has the service already.
func (t *haDraft) node(e *Entry, back *haProxy, s haServer, usual, front uint16) {
	run := haRun{haServer: s, service: e.Name}
	if port := cmp.Or(s.port, front); port != usual {
		run.port = port
	}
	for _, n := range t.nodes {
		if n.host == s.host && n.find(e.Name) == nil {
			n.runs = append(n.runs, run)
			return
		}
		if n.host == s.host && n.find(e.Name).port == run.port {
			t.note(s.line, "server %s: %s is in this service twice", s.name, s.host)
			return
		}
	}
	name := named(s.name, "node")
	if t.names[name] {
		name = named(back.name+"-"+s.name, "node")
	}
	t.nodes = append(t.nodes, &haNode{name: unique(name, t.names), host: s.host, runs: []haRun{run}})
}

func (n *haNode) find(service string) *haRun {
	for i := range n.runs {
		if n.runs[i].service == service {
			return &n.runs[i]
		}
	}
	return nil
}

// share is what a server's weight is here.
func (r haRun) share() int {
	if r.backup {
		return 0
	}
	return r.weight
}

// entry is the node as the file has it.
func (n *haNode) entry(t *haDraft) Node {
	first := n.runs[0]
	var services, ports, weights []string
	limit, disabled, notes := 0, 0, []string(nil)
	for _, r := range n.runs {
		services = append(services, r.service)
		if r.port != 0 {
			ports = append(ports, fmt.Sprintf("%s: %d", word(r.service), r.port))
		}
		if r.share() != first.share() {
			weights = append(weights, fmt.Sprintf("%s: %d", word(r.service), r.share()))
		}
		limit += r.maxconn
		if r.disabled {
			disabled++
		}
		if r.weight == 0 && !r.backup {
			notes = append(notes, "weight 0 was drained; here it is a reserve: state: drain keeps it out")
		}
	}
	keys := Keys{{"name", word(n.name)}, {"address", word(n.host)}, {"services", words(services)}}
	if first.share() != 1 {
		keys.set("weight", fmt.Sprint(first.share()))
	}
	if len(weights) > 0 {
		keys.set("weights", "{"+strings.Join(weights, ", ")+"}")
	}
	if len(ports) > 0 {
		keys.set("ports", "{"+strings.Join(ports, ", ")+"}")
	}
	if limit > 0 {
		keys.set("max_sessions", fmt.Sprint(limit))
	}
	if disabled == len(n.runs) {
		keys.set("state", "disabled")
	} else if disabled > 0 {
		t.note(first.line, "server %s is disabled in some backends only: here a node is disabled as a whole", n.name)
	}
	return Node{Keys: keys, Note: strings.Join(notes[:min(1, len(notes))], "")}
}
