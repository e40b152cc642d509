package config

import (
	"slices"
	"strings"
)

// serviceEntry is a service and where the file speaks of it.
type serviceEntry struct {
	*Service
	at     position            // of its entry; the zero place: there is none
	own    map[string]position // the keys of its entry
	shared map[string]position // the keys that it has from defaults
	before Service             // without its entry: what its keys would be
}

// where is the place that decided a key of the service; the entry's, or top, if nothing did.
func (e *serviceEntry) where(key string, top position) position {
	if at, ok := e.own[key]; ok {
		return at
	}
	if at, ok := e.shared[key]; ok {
		return at
	}
	if e.at != (position{}) {
		return e.at
	}
	return top
}

func (e *serviceEntry) given(key string) bool {
	_, own := e.own[key]
	_, shared := e.shared[key]
	return own || shared
}

// buildServices lays the entries of the file over the defaults, and those over what is built in.
func (b *builder) buildServices() {
	for i := range builtins {
		b.buildService(builtins[i].name, builtins[i].service(), b.document.services.pair(builtins[i].name))
	}
	if b.document.services != nil {
		for _, p := range b.bounded(b.document.services, "services") {
			if builtinNamed(p.key.text) == nil {
				b.buildOwn(&p)
			}
		}
	}
	b.checkDefaults()
}

func (n *node) pair(key string) *pair {
	if n == nil {
		return nil
	}
	for i := range n.pairs {
		if n.pairs[i].key.text == key {
			return &n.pairs[i]
		}
	}
	return nil
}

// buildOwn makes a service that is not built in: it has to say what it speaks and where nodes serve it.
func (b *builder) buildOwn(p *pair) {
	name := p.key.text
	s := b.loader.about("service %q", name)
	if !validName(name) || name == "all" || strings.HasPrefix(name, "-") {
		s.errorf(p.key.position, nameRule+`; "all" is taken`)
	}
	if p.value.shape == mapping && (p.value.get("protocol") == nil || p.value.get("port") == nil) {
		s.errorf(p.key.position, "no built-in service has this name%s: one of your own needs protocol and port", b.suggest(name, builtinNames()))
	}
	var proto Protocol
	if n := p.value.get("protocol"); n != nil {
		proto = Protocol(n.text)
	}
	b.buildService(name, ownService(name, proto), p)
}

func builtinNames() []string {
	names := make([]string, len(builtins))
	for i := range builtins {
		names[i] = builtins[i].name
	}
	return names
}

func (b *builder) buildService(name string, service Service, p *pair) {
	e := &serviceEntry{Service: &service}
	var entry *node
	if p != nil {
		e.at, entry = p.key.position, p.value
	}
	if b.document.defaults != nil {
		e.shared = b.applyDefaults(&service, entry)
	}
	e.before = service
	if entry != nil {
		s := b.loader.about("service %q", name)
		if entry.shape != mapping {
			s.key = "a service"
			s.wants(entry, "a mapping of keys")
		} else {
			serviceKeys.read(s, &service, entry)
		}
		e.own = s.seen
	}
	if service.Protocol == HTTP && !e.given("port") && builtinNamed(name) != nil && !nodeSpeaksTLS(&service) {
		service.Port = plainHTTPPort
	}
	b.entries = append(b.entries, e)
	b.Services = append(b.Services, &service)
}

// applyDefaults lays the defaults over a service, as far as their keys apply to it. checkDefaults reports mistakes.
func (b *builder) applyDefaults(service *Service, entry *node) map[string]position {
	silent := scope{loader: &loader{dir: b.dir, guesses: maxGuesses}, seen: make(map[string]position)}
	shape := *service // protocol and TLS decide what applies
	for _, layer := range []*node{b.document.defaults, entry} {
		if n := layer.get("tls"); n != nil {
			if mode, ok := tlsMode.read(silent, n); ok {
				shape.TLS = mode
			}
		}
		if n := layer.get("check").get("level"); n != nil && n.text == string(LevelDeep) {
			shape.Check.Level = LevelDeep
		}
	}
	clear(silent.seen)
	serviceKeys.read(silent, service, b.document.defaults.without("", func(key string) bool {
		return key == "protocol" || key == "port" || !applies(key, &shape)
	}))
	return silent.seen
}

// without is a mapping less the keys that drop names, at any depth.
func (n *node) without(prefix string, drop func(key string) bool) *node {
	kept := *n
	kept.pairs = nil
	for _, p := range n.pairs {
		key := prefix + p.key.text
		if drop(key) {
			continue
		}
		if p.value.shape == mapping {
			p.value = p.value.without(key+".", drop)
		}
		kept.pairs = append(kept.pairs, p)
	}
	return &kept
}

func (b *builder) checkDefaults() {
	n := b.document.defaults
	if n == nil {
		return
	}
	s := scope{loader: b.loader, subject: "defaults", seen: make(map[string]position)}
	var scratch Service
	serviceKeys.read(s, &scratch, n)
	for _, key := range []string{"protocol", "port"} {
		if at, given := s.seen[key]; given {
			s.errorf(at, "%s belongs to a single service", key)
		}
	}
	b.checkRegionKeys(s, n.get("regional_listen"))
}

func (b *builder) checkRegionKeys(s scope, n *node) {
	if n == nil {
		return
	}
	for _, p := range n.pairs {
		if !slices.Contains(b.regionNames, p.key.text) {
			s.errorf(p.key.position, "regional_listen: no region %q%s", shortened(p.key.text), b.suggest(p.key.text, b.regionNames))
		}
	}
}

func (b *builder) entry(name string) *serviceEntry {
	for _, e := range b.entries {
		if e.Name == name {
			return e
		}
	}
	return nil
}

func (b *builder) serviceNames() []string {
	names := make([]string, len(b.entries))
	for i, e := range b.entries {
		names[i] = e.Name
	}
	return names
}
