package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"posthouse/config"
	"posthouse/wire"
)

// challengePath is where a certificate authority asks for the proof of a name by plain HTTP (RFC 8555, 8.3). The node that ordered the
// certificate knows the answer, so it is not redirected.
const challengePath = "/.well-known/acme-challenge/"

// newRedirect is a front that speaks plain HTTP, whatever its services do elsewhere.
func newRedirect(services []*service, region string) *front {
	f := newFront(services)
	f.tls, f.endsTLS, f.redirect = false, false, true
	f.securePort = securePortOf(services[0].Service, region)
	return f
}

// redirect answers on an address that only leads to https.
func (x *exchange) redirect(raw []byte, h *wire.RequestHead, t *target) *problem {
	front := x.c.session.front
	if bytes.HasPrefix(t.path, []byte(challengePath)) {
		if !staysBelow(t.path, challengePath) {
			return &problemPath
		}
		x.service, x.plain = front.challenged(), true
		return x.admit(raw, h, t)
	}
	x.service = front.services[0]
	host := h.Host
	if t.authority != nil {
		host = t.authority
	}
	if len(host) == 0 {
		host = []byte(x.service.topology.Cluster)
	}
	whole := t.whole
	if t.path[0] != '/' {
		whole = []byte("/")
	}
	x.location = secureAddress(string(host), front.securePort) + string(whole)
	return &problemRedirect
}

// staysBelow says whether every reading of a path begins with a prefix.
func staysBelow(path []byte, prefix string) bool {
	readings, err := wire.PathReadings(string(path))
	return err == nil && !slices.ContainsFunc(readings, func(r string) bool { return !strings.HasPrefix(r, prefix) })
}

// challenged is the service whose nodes answer challenges.
func (f *front) challenged() *service {
	for _, s := range f.services {
		if len(s.Paths) == 0 {
			return s
		}
	}
	return f.services[0]
}

// secureAddress is where a client that asked a host for http finds the same by https.
func secureAddress(host string, port uint16) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	if port != 443 {
		host += ":" + strconv.Itoa(int(port))
	}
	return "https://" + host
}

// securePortOf is where clients reach a service, as its redirect tells them.
func securePortOf(s *config.Service, region string) uint16 {
	if listen := s.ListenIn(region); len(listen) > 0 {
		return listen[0].Port()
	}
	return 443
}

// plainPort is where nodes serve HTTP without TLS beside a service with TLS.
const plainPort = 8080

func nodeSpeaksTLS(s *config.Service) bool {
	return s.TLS == config.Passthrough || s.TLS == config.Reencrypt
}
