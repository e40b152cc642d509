package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// haDraft is a draft in the making.
type haDraft struct {
	*HAProxy
	services []*Entry
	taken    map[string]bool // names of services
	bound    []haBind
	nodes    []*haNode
	names    map[string]bool // of nodes
	crts     []string
	cas      []string
	verify   bool // somewhere
	trust    bool // elsewhere without
	redirect []string
}

// Draft makes a topology of it, and tells line by line what has no place there.
func (h *HAProxy) Draft(cluster string) (*Draft, []string, error) {
	t := &haDraft{HAProxy: h, taken: make(map[string]bool), names: make(map[string]bool)}
	for _, front := range h.proxies {
		t.front(front)
	}
	if len(t.nodes) == 0 {
		return nil, h.inOrder(), errors.New("no frontend or listen section with servers that could be translated")
	}
	d := &Draft{Cluster: cluster, Head: []string{
		"Made from a haproxy.cfg. Its checks are replaced by probes that speak each protocol, and its idle times by those that the",
		"protocols ask for. Look at it, then posthouse check, and posthouse doctor.",
	}}
	for _, n := range t.nodes {
		d.Nodes = append(d.Nodes, n.entry(t))
	}
	t.addRedirects()
	for _, s := range t.services {
		d.Services = append(d.Services, *s)
	}
	t.addTLS(d)
	return d, h.inOrder(), nil
}

// front makes a service of each port that a frontend binds.
func (t *haDraft) front(front *haProxy) {
	if len(front.binds) == 0 {
		return
	}
	back := t.backend(front)
	if back == nil || len(back.servers) == 0 {
		if front.redirects {
			for _, b := range front.binds {
				t.redirect = append(t.redirect, b.text())
			}
			return
		}
		t.note(front.number, "%s %s: it leads to no backend whose servers were translated", front.kind, front.name)
		return
	}
	byPort := make(map[uint16][]haBind)
	var ports []uint16
	for _, b := range front.binds {
		if !t.free(b) {
			t.note(b.line, "%s is bound by another frontend already", b.text())
			continue
		}
		if byPort[b.port] == nil {
			ports = append(ports, b.port)
		}
		t.bound = append(t.bound, b)
		byPort[b.port] = append(byPort[b.port], b)
	}
	for _, port := range ports {
		t.service(front, back, byPort[port])
	}
}

// free says whether no other frontend has the address.
func (t *haDraft) free(b haBind) bool {
	return !slices.ContainsFunc(t.bound, func(o haBind) bool {
		return o.port == b.port && (o.host == b.host || o.host == "" || b.host == "" || o.host == "::" || b.host == "::")
	})
}

func (b haBind) text() string {
	if strings.Contains(b.host, ":") {
		return fmt.Sprintf("[%s]:%d", b.host, b.port)
	}
	return fmt.Sprintf("%s:%d", b.host, b.port)
}

// service is what clients find at the binds, which are of one port.
func (t *haDraft) service(front, back *haProxy, binds []haBind) {
	b := binds[0]
	e, usual := t.identity(front, b)
	port := commonPort(back.servers, b.port)
	if port != usual {
		e.Keys.set("port", fmt.Sprint(port))
	}
	var listen []string
	for _, each := range binds {
		listen = append(listen, each.text())
		if each.tls != b.tls || each.accepts != b.accepts {
			t.note(each.line, "the binds of one port differ in ssl or accept-proxy: %s counts", b.text())
		}
	}
	if text := words(listen); text != fmt.Sprintf(`[":%d"]`, builtinListen(e)) {
		e.Keys.set("listen", text)
	}
	t.encryption(e, back, b)
	t.manners(e, front, back, b)
	t.services = append(t.services, e)
	for _, s := range back.servers {
		t.node(e, back, s, port, b.port)
	}
}

func builtinListen(e *Entry) uint16 {
	for port, known := range byPort {
		if known.name == e.Name {
			return port
		}
	}
	return 0
}

// addRedirects gives plain HTTP that leads to https to the service that it leads to.
func (t *haDraft) addRedirects() {
	if len(t.redirect) == 0 {
		return
	}
	for _, s := range t.services {
		if s.Name == "http" {
			s.Keys.set("redirect_listen", words(t.redirect))
			return
		}
	}
	t.note(0, "%s redirects to https, but nothing was found on port 443", strings.Join(t.redirect, ", "))
}

func (t *haDraft) addTLS(d *Draft) {
	if len(t.crts) > 0 {
		var pairs []string
		for _, crt := range t.crts {
			pairs = append(pairs, Keys{{"cert", word(crt)}, {"key", word(crt)}}.flow())
		}
		d.TLS.set("certificates", "["+strings.Join(pairs, ", ")+"]")
		d.Head = append(d.Head, "Certificate and key may stay in one file, but each file is named: a directory of them is not read.")
	}
	if len(t.cas) > 0 {
		d.TLS.set("node_ca", word(t.cas[0]))
	}
	if t.trust && !t.verify {
		d.TLS.set("node_verify", "false")
	}
}
