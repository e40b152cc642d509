package importer

import (
	"cmp"
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

// identity is the built-in service that a bind is, or one of its own; and where nodes serve it unless it says otherwise.
func (t *haDraft) identity(front *haProxy, b haBind) (*Entry, uint16) {
	known, ok := byPort[b.port]
	fits := ok && (known.protocol == "http" || front.mode == "tcp") && (known.implicit || !b.tls) && !t.taken[known.name]
	if fits && known.protocol == "http" && front.mode == "http" && !b.tls {
		fits = false // plain HTTP on port 443
	}
	if fits {
		t.taken[known.name] = true
		usual := b.port
		if known.protocol == "http" && b.tls {
			usual = 8080
		}
		return &Entry{Name: known.name}, usual
	}
	base := named(front.name, fmt.Sprintf("port-%d", b.port))
	if builtin := slices.Contains([]string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "sieve", "lmtp", "jmap", "webdav", "http"}, base); builtin {
		base = fmt.Sprintf("%s-%d", base, b.port)
	}
	e := &Entry{Name: unique(base, t.taken)}
	protocol := "tcp"
	switch {
	case front.mode == "http":
		protocol = "http"
	case ok && known.protocol != "http":
		protocol = known.protocol
	}
	e.Keys.set("protocol", protocol)
	return e, 0
}

// commonPort is the port of most servers.
func commonPort(servers []haServer, otherwise uint16) uint16 {
	count, best := make(map[uint16]int), uint16(0)
	for _, s := range servers {
		port := s.port
		if port == 0 {
			port = otherwise
		}
		count[port]++
		if count[port] > count[best] {
			best = port
		}
	}
	return best
}

// encryption says where TLS ends.
func (t *haDraft) encryption(e *Entry, back *haProxy, b haBind) {
	first := back.servers[0]
	known, builtin := byPort[b.port]
	builtin = builtin && known.name == e.Name
	switch {
	case b.tls && first.tls:
		e.Keys.set("tls", "reencrypt")
		t.verify, t.trust = t.verify || !first.unverified, t.trust || first.unverified
		if first.ca != "" && !slices.Contains(t.cas, first.ca) && !strings.HasPrefix(first.ca, "@") {
			t.cas = append(t.cas, first.ca)
		}
	case b.tls:
		e.Keys.set("tls", "terminate")
	case first.tls:
		t.note(first.line, "server %s: TLS towards the node for clients that come without: there is no such thing here", first.name)
	case builtin || !known.implicit:
	case e.Keys[0][1] != "http":
		e.Keys.set("tls", "passthrough")
	}
	for _, crt := range b.crt {
		if !slices.Contains(t.crts, crt) {
			t.crts = append(t.crts, crt)
		}
	}
}

// manners are the other keys of a service.
func (t *haDraft) manners(e *Entry, front, back *haProxy, b haBind) {
	e.Keys.set("balance", word(haBalances[balanceOf(back)]))
	e.Keys.set("proxy_protocol", back.servers[0].proxy)
	for _, s := range back.servers[1:] {
		if s.proxy != back.servers[0].proxy || s.tls != back.servers[0].tls {
			t.note(s.line, "server %s: send-proxy or ssl differs from the others in its backend: the first one's counts", s.name)
		}
	}
	if b.accepts {
		e.Keys.set("accept_proxy", `["0.0.0.0/0", "::/0"]`)
		e.Note = "anybody's PROXY header is believed, as before: better name the proxies in front"
	}
	if b.freebind {
		e.Keys.set("freebind", "true")
	}
	var check Keys
	for _, k := range [][2]string{{"interval", back.check.inter}, {"rise", back.check.rise}, {"fall", back.check.fall}} {
		if k[1] != "" {
			check.set(k[0], k[1])
		}
	}
	if path := back.check.path; path != "" && (front.mode == "http" || e.Name == "http") {
		check.set("path", word(cmp.Or(strings.TrimRight(path, "/"), "/")))
	}
	if len(check) > 0 {
		e.Keys.set("check", check.flow())
	}
	if back.check.slow != "" {
		e.Keys.set("slow_start", back.check.slow)
	}
	if back.connect != "" {
		e.Keys.set("timeouts", "{connect: "+back.connect+"}")
	}
	if front.maxconn > 0 {
		e.Keys.set("limits", fmt.Sprintf("{sessions: %d}", front.maxconn))
	}
}

func balanceOf(back *haProxy) string {
	if haBalances[back.balance] == "" {
		return "roundrobin"
	}
	return back.balance
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
