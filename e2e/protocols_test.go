package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// dialects is every service in every way it can be encrypted, with clients that others wrote.
var dialects = []struct {
	service, tls, client string
	visit                func(visit) error
	anonymous            bool // the client cannot be told where to connect from
}{
	{"imap", plain, "curl", curl("imap", plain), false},
	{"imap", plain, "imaplib", python("imap", plain), false},
	{"imap", plain, "mbsync", mbsync(plain), true},
	{"imap", starttls, "curl", curl("imap", starttls), false},
	{"imap", starttls, "imaplib", python("imap", starttls), false},
	{"imap", starttls, "mbsync", mbsync(starttls), true},
	{"imaps", implicit, "curl", curl("imap", implicit), false},
	{"imaps", implicit, "imaplib", python("imap", implicit), false},
	{"imaps", implicit, "mbsync", mbsync(implicit), true},
	{"pop3", plain, "curl", curl("pop3", plain), false},
	{"pop3", plain, "poplib", python("pop3", plain), false},
	{"pop3", starttls, "curl", curl("pop3", starttls), false},
	{"pop3", starttls, "poplib", python("pop3", starttls), false},
	{"pop3s", implicit, "curl", curl("pop3", implicit), false},
	{"pop3s", implicit, "poplib", python("pop3", implicit), false},
	{"sieve", plain, "Net::ManageSieve", perlSieve(plain), false},
	{"sieve", starttls, "Net::ManageSieve", perlSieve(starttls), false},
	{"sieve", starttls, "sieve-connect", sieveConnect, true},
	{"lmtp", plain, "swaks", swaks(plain, "USER@example.test", "--protocol", "LMTP"), false},
	{"lmtp", starttls, "swaks", swaks(starttls, "USER@example.test", "--protocol", "LMTP"), false},
	{"smtp", plain, "swaks", swaks(plain, sink), false},
	{"smtp", plain, "smtp-source", smtpSource, true},
	{"smtp", plain, "smtplib", python("smtp", plain), false},
	{"smtp", starttls, "swaks", swaks(starttls, sink), false},
	{"submission", plain, "swaks", swaksAuth(plain), false},
	{"submission", starttls, "swaks", swaksAuth(starttls), false},
	{"submission", starttls, "smtplib", python("smtp", starttls), false},
	{"submissions", implicit, "swaks", swaksAuth(implicit), false},
	{"submissions", implicit, "smtplib", python("smtp", implicit), false},
	{"submissions", implicit, "curl", curl("smtp", implicit, "--mail-from", "a@example.test", "--mail-rcpt", sink, "-T", "-"), false},
}

// TestProtocols lets every client have the same session with a node itself and through the balancer, without a PROXY
// header, with v1 and with v2, and looks up in the nodes' logs who they think the client was.
func TestProtocols(t *testing.T) {
	for _, proxy := range []string{"direct", "none", "v1", "v2"} {
		t.Run(proxy, func(t *testing.T) {
			o := begin(t)
			var p *posthouse
			if proxy != "direct" {
				p = serve(t, topology{proxy: proxy})
			}
			t.Run("sessions", func(t *testing.T) { everyDialect(t, proxy, p) })
			o.fact(t, "%d kinds of session", len(dialects))
		})
	}
}

func everyDialect(t *testing.T, proxy string, p *posthouse) {
	for i, d := range dialects {
		t.Run(strings.Join([]string{d.service, d.tls, d.client}, " "), func(t *testing.T) {
			t.Parallel()
			v := newVisit(t, hostOf(proxy, d.service), d.service, 10+i)
			seed(t, v)
			before := servers.mark()
			if err := d.visit(v); err != nil {
				t.Fatal(err)
			}
			client := v.source
			if d.anonymous {
				client = "127.0.0.1"
			}
			shown, peer := client, source
			switch proxy {
			case "direct":
				peer = client
			case "none":
				shown = source
			}
			eventually(t, patience, "the node's log", func() error { return before.saw(d.service, v.user, shown, peer) })
			if p != nil {
				eventually(t, patience, "our log", func() error { return p.saw(d.service, d.tls, client) })
			}
		})
	}
}

// hostOf is who a client connects to: the balancer, or the first node of the service.
func hostOf(proxy, service string) string {
	switch {
	case proxy != "direct":
		return front
	case strings.HasPrefix(service, "s") && service != "sieve":
		return "127.0.1.4"
	}
	return "127.0.1.1"
}

// seed gives a user's mailbox its first message, straight from a node.
func seed(t *testing.T, v visit) {
	t.Helper()
	v.host, v.port = "127.0.1.2", ports["lmtp"]
	if err := swaks(plain, "USER@example.test", "--protocol", "LMTP")(v); err != nil {
		t.Fatal(err)
	}
}

// saw is nil if a node's log shows a session of that client, over a connection from that peer.
func (l logs) saw(service, user, client, peer string) error {
	var want []string
	switch service {
	case "lmtp":
		want = []string{"lmtp", "Connect from " + client + "\n"}
	case "smtp":
		want = []string{"client=unknown[" + client + "]"}
	case "submission", "submissions":
		want = []string{"postfix/" + service + "/smtpd", "client=unknown[" + client + "]", "sasl_username=" + user}
	default:
		want = []string{"user=<" + user + ">", "rip=" + client + ",", "real_rip=" + peer + ",", fmt.Sprintf("%04d,", ports[service]%10000)}
	}
	matches := func(line string) bool {
		for _, w := range want {
			if !strings.Contains(line, w) {
				return false
			}
		}
		return true
	}
	if !l.any(matches) {
		return fmt.Errorf("no line with %q", want)
	}
	return nil
}

// saw is nil if our log has such a session, taken by a node and ended by one of its two ends.
func (p *posthouse) saw(service, tls, client string) error {
	for _, r := range p.records("session") {
		if r["service"] != service || !strings.HasPrefix(fmt.Sprint(r["client"]), client+":") || r["node"] == nil {
			continue
		}
		seen := map[string]bool{plain: r["tls"] == nil, starttls: r["tls"] == "starttls", implicit: r["tls"] != nil && r["tls"] != "starttls"}[tls]
		switch end := r["end"]; {
		case end != "client" && end != "node" && end != "reset-client" && end != "reset-node":
			return fmt.Errorf("a session ends with %v: %v", end, r)
		case seen && r["id"] != nil && r["up"].(float64) > 0 && r["down"].(float64) > 0:
			return nil
		}
	}
	return fmt.Errorf("no %s session of %s with TLS %s", service, client, tls)
}
