package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

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
