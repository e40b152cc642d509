package importer

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// haProxy is a frontend, a backend or both, with the defaults that hold for it.
type haProxy struct {
	haSection
	mode, balance string
	binds         []haBind
	servers       []haServer
	to            string // the backend
	maxconn       int
	check         haCheck
	connect       string // timeout
	redirects     bool   // to https
}

type haBind struct {
	line     int
	host     string
	port     uint16
	tls      bool
	crt      []string
	accepts  bool // a PROXY header from anybody
	freebind bool
}

type haServer struct {
	line       int
	name, host string
	port       uint16 // 0: that of the client's connection
	weight     int
	proxy      string // none, v1, v2
	tls        bool
	ca         string
	unverified bool
	maxconn    int
	backup     bool
	disabled   bool
}

// haCheck is how servers are checked, and come back.
type haCheck struct{ inter, rise, fall, path, slow string }

// read takes one line; false: it was not understood.
func (p *haProxy) read(l haLine, defaults *haProxy) bool {
	switch l.words[0] {
	case "mode":
		p.mode = l.arg(1)
		return p.mode == "tcp" || p.mode == "http"
	case "balance":
		p.balance = l.arg(1)
		return haBalances[p.balance] != "" && len(l.words) == 2
	case "maxconn":
		n, err := strconv.Atoi(l.arg(1))
		p.maxconn = n
		return err == nil && n > 0 && n <= maxSessions
	case "bind":
		return p.bind(l)
	case "server":
		return p.server(l, defaults)
	case "default_backend":
		p.to = l.arg(1)
		return p.to != ""
	case "timeout":
		return p.timeout(l)
	case "option":
		return p.option(l)
	case "http-check", "tcp-check":
		return p.expect(l)
	case "redirect":
		p.redirects = p.redirects || l.is("redirect", "scheme", "https")
		return l.is("redirect", "scheme", "https")
	case "http-request":
		p.redirects = p.redirects || l.is("http-request", "redirect", "scheme", "https")
		return l.is("http-request", "redirect", "scheme", "https")
	}
	return false
}

var haBalances = map[string]string{"roundrobin": "round-robin", "static-rr": "round-robin", "leastconn": "least-sessions", "source": "client-hash", "random": "random"}

// haTimes may be left out: probes, sessions and requests have times of their own, chosen by protocol.
var haTimes = []string{"check", "queue", "http-request", "http-keep-alive", "client-fin", "server-fin", "tunnel"}

func (p *haProxy) timeout(l haLine) bool {
	if l.arg(1) == "connect" {
		t, ok := haTime(l.arg(2), time.Millisecond, time.Hour)
		p.connect = t
		return ok
	}
	return slices.Contains(haTimes, l.arg(1))
}

// options that ask for what happens here anyway: probes speak the protocol, connections are kept alive, dead ones are
// left, clients' addresses are in forwarded headers, and the log has a line a session.
var haOptions = []string{"tcplog", "httplog", "dontlognull", "redispatch", "tcpka", "clitcpka", "srvtcpka", "forwardfor", "http-server-close",
	"http-keep-alive", "tcp-check", "smtpchk", "httpchk", "splice-auto", "splice-request", "splice-response", "contstats", "log-health-checks"}

func (p *haProxy) option(l haLine) bool {
	if l.arg(1) == "httpchk" {
		for _, w := range l.rest(2) {
			if strings.HasPrefix(w, "/") {
				p.check.path = w
			}
		}
	}
	return slices.Contains(haOptions, l.arg(1))
}

func (p *haProxy) expect(l haLine) bool {
	if i := slices.Index(l.words, "uri"); l.is("http-check", "send") && i > 0 && i+1 < len(l.words) {
		p.check.path = l.words[i+1]
	}
	return l.arg(1) == "send" || l.arg(1) == "expect" || l.arg(1) == "connect" || l.arg(1) == "comment"
}

// bind takes addresses and what holds for them.
func (p *haProxy) bind(l haLine) bool {
	whole := true
	b := haBind{line: l.number}
	for rest := l.rest(2); len(rest) > 0; rest = rest[1:] {
		switch w := rest[0]; {
		case w == "ssl":
			b.tls = true
		case w == "accept-proxy":
			b.accepts = true
		case w == "transparent":
			b.freebind = true
		case w == "crt" && len(rest) > 1:
			b.crt, rest = append(b.crt, rest[1]), rest[1:]
		case slices.Contains([]string{"v4v6", "v6only", "tfo", "defer-accept"}, w):
		case slices.Contains([]string{"name", "alpn", "maxconn", "backlog"}, w) && len(rest) > 1:
			rest = rest[1:]
		default:
			whole = false
		}
	}
	for address := range strings.SplitSeq(l.arg(1), ",") {
		host, port, ok := haAddress(address)
		if !ok || port == 0 || !ours(host) {
			whole = false
			continue
		}
		b.host, b.port = host, port
		p.binds = append(p.binds, b)
	}
	return whole
}

// haAddress is a host and a port as HAProxy writes them: *:25, :25, ipv4@10.0.0.1:25, [::]:25, :::25, host:25.
func haAddress(s string) (host string, port uint16, ok bool) {
	for _, prefix := range []string{"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"} {
		s = strings.TrimPrefix(s, prefix)
	}
	if strings.ContainsAny(s, "@/${}") {
		return "", 0, false
	}
	host, digits, found := cutLast(s, ":")
	if !found {
		return s, 0, s != ""
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || strings.HasPrefix(digits, "+") {
		return "", 0, false
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "*" || host == "0.0.0.0" {
		host = ""
	}
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	return host, uint16(n), true
}

// haTime is a time of HAProxy, milliseconds without a unit, as one of ours; false if ours may not be that short or long.
func haTime(s string, low, high time.Duration) (string, bool) {
	digits := strings.TrimRight(s, "smhud")
	unit, known := haUnits[s[len(digits):]]
	n, err := strconv.ParseUint(digits, 10, 31)
	d := time.Duration(n) * unit
	if err != nil || !known || d < low || d > high {
		return "", false
	}
	return d.String(), true
}

var haUnits = map[string]time.Duration{"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
