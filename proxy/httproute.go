package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"posthouse/config"
	"posthouse/wire"
)

// routes lead from the path of a request to its service: the longest prefix at a segment's border wins.
type routes struct {
	prefixes []route  // the longest first
	rest     *service // takes what no prefix claims; nil: nobody
}

type route struct {
	prefix  string // without a slash at its end
	service *service
}

// newRoutes is about services that only the path tells apart.
func newRoutes(services []*service) *routes {
	r := new(routes)
	for _, s := range services {
		if len(s.Paths) == 0 && r.rest == nil {
			r.rest = s
		}
		for _, p := range s.Paths {
			if p = strings.TrimRight(p, "/"); p == "" {
				r.rest = s
				continue
			}
			r.prefixes = append(r.prefixes, route{p, s})
		}
	}
	slices.SortStableFunc(r.prefixes, func(a, b route) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	return r
}

// addRoutes gives each service whose HTTP is read here the routes of those that share its address and its names.
func addRoutes(services []*service) {
	for _, s := range services {
		if s.routes != nil || !readsHTTP(s.Service) {
			continue
		}
		var group []*service
		for _, other := range services {
			if readsHTTP(other.Service) && slices.Equal(s.ServerNames, other.ServerNames) {
				group = append(group, other)
			}
		}
		all := newRoutes(group)
		for _, member := range group {
			member.routes = all
		}
	}
}

func readsHTTP(s *config.Service) bool {
	return s.Protocol == config.HTTP && s.TLS != config.Passthrough
}

// at is the service for one reading of a path; nil: none.
func (r *routes) at(path []byte) *service {
	for i := range r.prefixes {
		p := &r.prefixes[i]
		if len(path) >= len(p.prefix) && string(path[:len(p.prefix)]) == p.prefix &&
			(len(path) == len(p.prefix) || path[len(p.prefix)] == '/') {
			return p.service
		}
	}
	return r.rest
}

var (
	errNoService = errors.New("no service has this path")
	errAmbiguous = errors.New("servers could read the path in two ways")
)

// of is the service for a path without its query. A path that a node could read as another service's is errAmbiguous.
func (r *routes) of(path []byte) (*service, error) {
	if len(path) == 0 || path[0] != '/' {
		return nil, errAmbiguous
	}
	if wire.PlainPath(path) {
		if s := r.at(path); s != nil {
			return s, nil
		}
		return nil, errNoService
	}
	readings, err := wire.PathReadings(string(path))
	if err != nil {
		return nil, errAmbiguous
	}
	first := r.at([]byte(readings[0]))
	for _, other := range readings[1:] {
		if r.at([]byte(other)) != first {
			return nil, errAmbiguous
		}
	}
	if first == nil {
		return nil, errNoService
	}
	return first, nil
}

// whole is the service for OPTIONS *, which is about the server as a whole.
func (r *routes) whole() *service {
	if r.rest != nil || len(r.prefixes) == 0 {
		return r.rest
	}
	return r.prefixes[len(r.prefixes)-1].service
}

// target is a request target, or a Destination, in its parts.
type target struct {
	authority []byte // of the absolute form; nil: none
	path      []byte // without the query; "*" for the server as a whole
	whole     []byte // path and query, as a node gets it
}

// splitTarget takes the origin form, the absolute form of http and https, and the asterisk (RFC 9112, 3.2).
func splitTarget(raw []byte) (t target, ok bool) {
	rest := raw
	switch {
	case len(raw) == 1 && raw[0] == '*':
		return target{path: raw, whole: raw}, true
	case len(raw) > 0 && raw[0] == '/':
	default:
		scheme, after, found := bytes.Cut(raw, []byte("://"))
		if !found || !wire.EqualFold(scheme, "http") && !wire.EqualFold(scheme, "https") {
			return target{}, false
		}
		end := bytes.IndexAny(after, "/?#")
		if end < 0 {
			end = len(after)
		}
		t.authority, rest = after[:end], after[end:]
		if len(t.authority) == 0 || bytes.ContainsAny(t.authority, "@,") { // what Host must not have
			return target{}, false
		}
	}
	if len(rest) == 0 || rest[0] == '?' {
		rest = append([]byte{'/'}, rest...)
	}
	t.whole = rest
	t.path, _, _ = bytes.Cut(rest, []byte{'?'})
	return t, true
}
