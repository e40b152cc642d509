package importer

import (
	"slices"
	"strconv"
	"time"
)

// maxSessions is the largest limit that a topology takes, with room for the sum over a node's services.
const maxSessions = 1_000_000

// server takes a server line, on top of the default-server lines that hold for it.
func (p *haProxy) server(l haLine, defaults *haProxy) bool {
	s := haServer{line: l.number, name: l.arg(1), weight: 1, proxy: "none"}
	host, port, ok := haAddress(l.arg(2))
	if !ok || !machine(host) {
		return false
	}
	s.host, s.port = host, port
	whole := true
	for _, d := range []*haProxy{defaults, p} {
		for _, preset := range d.presets() {
			s.options(preset, &p.check)
		}
	}
	whole = s.options(l.rest(3), &p.check)
	p.servers = append(p.servers, s)
	return whole
}

// presets are the words of default-server lines.
func (p *haProxy) presets() (all [][]string) {
	if p == nil {
		return nil
	}
	for _, l := range p.lines {
		if l.words[0] == "default-server" {
			all = append(all, l.rest(1))
		}
	}
	return all
}

// haIgnored are options of a server with a value that have no part in a topology, and haFlags those without one.
var (
	haIgnored = []string{"id", "sni", "check-sni", "alpn", "check-alpn", "ssl-min-ver", "ssl-max-ver", "resolvers", "init-addr", "resolve-prefer", "pool-max-conn", "cookie"}
	haFlags   = []string{"check", "check-ssl", "no-check", "check-send-proxy", "enabled", "stick", "no-ssl", "tfo"}
)

// options takes what stands behind a server's address; false: not all of it.
func (s *haServer) options(words []string, check *haCheck) bool {
	whole := true
	for ; len(words) > 0; words = words[1:] {
		value, used := "", true
		if len(words) > 1 {
			value = words[1]
		}
		switch w := words[0]; {
		case slices.Contains(haFlags, w):
			used = false
		case s.flag(w):
			used = false
		case s.value(w, value, check), slices.Contains(haIgnored, w):
		default:
			whole, used = false, false
		}
		if used && len(words) > 1 {
			words = words[1:]
		}
	}
	return whole
}

func (s *haServer) flag(word string) bool {
	switch word {
	case "send-proxy":
		s.proxy = "v1"
	case "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn":
		s.proxy = "v2"
	case "ssl":
		s.tls = true
	case "backup":
		s.backup = true
	case "disabled":
		s.disabled = true
	default:
		return false
	}
	return true
}

func (s *haServer) value(word, value string, check *haCheck) bool {
	number, err := strconv.Atoi(value)
	switch word {
	case "weight":
		s.weight = min(max(number, 0), 256)
		return err == nil && number == s.weight
	case "maxconn":
		s.maxconn = min(max(number, 0), maxSessions)
		return err == nil && number == s.maxconn
	case "inter":
		return setTime(&check.inter, value, 10*time.Millisecond, time.Hour)
	case "slowstart":
		return setTime(&check.slow, value, 0, 24*time.Hour)
	case "rise":
		return setCount(&check.rise, number)
	case "fall":
		return setCount(&check.fall, number)
	case "ca-file":
		s.ca = value
		return value != ""
	case "verify":
		s.unverified = value == "none"
		return value == "none" || value == "required"
	case "port": // of the check: ours go where sessions go
		return err == nil && number == int(s.port)
	}
	return false
}

func setTime(to *string, value string, low, high time.Duration) bool {
	t, ok := haTime(value, low, high)
	if ok {
		*to = t
	}
	return ok
}

// setCount takes a number of checks.
func setCount(to *string, n int) bool {
	ok := n >= 1 && n <= 100
	if ok {
		*to = strconv.Itoa(n)
	}
	return ok
}
