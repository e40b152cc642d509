package importer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// HAProxy is a configuration that was read, and what of it was not understood.
type HAProxy struct {
	proxies []*haProxy
	left    []haNote
}

// ReadHAProxy reads a haproxy.cfg.
func ReadHAProxy(r io.Reader) (*HAProxy, error) {
	sections, err := parseHAProxy(r)
	if err != nil {
		return nil, err
	}
	h := new(HAProxy)
	defaults := make(map[string]*haProxy)
	last := &haProxy{}
	for _, s := range sections {
		switch s.kind {
		case "defaults":
			last = h.proxy(s, &haProxy{})
			defaults[s.name] = last
		case "frontend", "backend", "listen":
			from := last
			if named := defaults[s.from]; s.from != "" && named != nil {
				from = named
			}
			h.proxies = append(h.proxies, h.proxy(s, from))
		default:
			for _, l := range s.lines {
				h.leave(l, s)
			}
		}
	}
	return h, nil
}

// proxy reads the lines of a section on top of its defaults.
func (h *HAProxy) proxy(s *haSection, defaults *haProxy) *haProxy {
	p := *defaults
	p.haSection, p.binds, p.servers = *s, nil, nil
	if p.mode == "" {
		p.mode = "tcp" // HAProxy's own default
	}
	for _, l := range s.lines {
		if l.words[0] != "default-server" && !p.read(l, defaults) {
			h.leave(l, s)
		}
	}
	p.presetsRead(h, s)
	return &p
}

// presetsRead tells what of the default-server lines was not understood.
func (p *haProxy) presetsRead(h *HAProxy, s *haSection) {
	for _, l := range p.lines {
		if l.words[0] == "default-server" && !new(haServer).options(l.rest(1), new(haCheck)) {
			h.leave(l, s)
		}
	}
}

func (h *HAProxy) leave(l haLine, s *haSection) {
	h.note(l.number, "%s: %s", strings.TrimSpace(s.kind+" "+s.name), strings.Join(l.words, " "))
}

func (h *HAProxy) note(line int, format string, args ...any) {
	h.left = append(h.left, haNote{line, printable(fmt.Sprintf(format, args...))})
}

// haNote is what was left out, and where it stands.
type haNote struct {
	line int
	text string
}

// inOrder is what was left out, line by line.
func (h *HAProxy) inOrder() []string {
	slices.SortStableFunc(h.left, func(a, b haNote) int { return cmp.Compare(a.line, b.line) })
	all := make([]string, len(h.left))
	for i, n := range h.left {
		all[i] = fmt.Sprintf("%d: %s", n.line, n.text)
	}
	return all
}

// backend is where the sessions of a frontend go: to the servers of a listen section, or to its default_backend.
func (h *HAProxy) backend(front *haProxy) *haProxy {
	if len(front.servers) > 0 {
		return front
	}
	for _, p := range h.proxies {
		if p.name == front.to && p.kind != "frontend" {
			return p
		}
	}
	return nil
}
