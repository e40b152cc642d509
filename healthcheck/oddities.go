package healthcheck

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"posthouse/config"
)

// oddities are things learned that an operator should hear of once, though no node is down for them. The zero value
// has seen none.
type oddities struct {
	pools   map[string]*variants // by service
	certs   map[certificate]bool
	undav   map[string]bool      // services of which it was said
	banned  map[string]bool      // nodes that may have banned us, until they are up again
	starved map[string]time.Time // our own faults, by reason
}

// variants are the different capabilities that nodes of one pool announce.
type variants struct {
	node  string // who was seen first
	first []string
	told  map[string]bool
}

type certificate struct {
	service string
	expiry  int64 // Unix seconds; many nodes have the same one, and it is spoken of once
}

const (
	maxVariants  = 16        // of a pool that are spoken of; a pool with more has been spoken of enough
	starvedAgain = time.Hour // how long a fault of our own is not repeated
)

// look notes what is odd about a target after a probe that has seen its certificate or its capabilities.
func (o *oddities) look(log *slog.Logger, t *target, seen outcome, now time.Time) {
	if len(seen.capabilities) > 0 {
		o.compare(log, t)
	}
	if seen.undav {
		o.unannounced(log, t)
	}
	if !seen.expiry.IsZero() && seen.expiry.Sub(now) < expiryWarning {
		o.expires(log, t, now)
	}
}

// suspectBan says once that a node may have banned this machine: when it goes down for having hung up without a word. A node that
// bans one service's clients bans those of all.
func (o *oddities) suspectBan(log *slog.Logger, t *target, seen outcome) {
	switch node := t.id.Node; {
	case seen.good():
		delete(o.banned, node)
	case t.health.State != config.Down || !strings.Contains(seen.failure.reason, banned) || o.banned[node]:
	default:
		if o.banned == nil {
			o.banned = make(map[string]bool)
		}
		o.banned[node] = true
		log.Warn("a node may have banned this machine's address: look at its list of bans", "event", "ban-suspected",
			"node", node, "service", t.id.Service, "reason", seen.failure.reason)
	}
}

// forget drops the nodes that others are compared with if a reload has taken them away.
func (o *oddities) forget(known map[config.Target]*probe) {
	for service, pool := range o.pools {
		if known[config.Target{Node: pool.node, Service: service}] == nil {
			delete(o.pools, service)
		}
	}
}

func (o *oddities) compare(log *slog.Logger, t *target) {
	pool, capabilities := o.pools[t.id.Service], t.health.Capabilities
	if pool == nil {
		if o.pools == nil {
			o.pools = make(map[string]*variants)
		}
		o.pools[t.id.Service] = &variants{node: t.id.Node, first: capabilities, told: make(map[string]bool)}
		return
	}
	if pool.node == t.id.Node {
		pool.first = capabilities
		return
	}
	if slices.Equal(pool.first, capabilities) {
		return
	}
	variant := strings.Join(capabilities, "\n")
	if pool.told[variant] || len(pool.told) >= maxVariants {
		return
	}
	pool.told[variant] = true
	log.Warn("nodes of one pool announce different capabilities", "event", "capabilities-differ", "service", t.id.Service, "node", t.id.Node, "other", pool.node,
		"has", without(capabilities, pool.first), "lacks", without(pool.first, capabilities))
}

// unannounced says that WebDAV is not where it was looked for. It may still be at another path, so nobody is down for it.
func (o *oddities) unannounced(log *slog.Logger, t *target) {
	if o.undav[t.id.Service] {
		return
	}
	if o.undav == nil {
		o.undav = make(map[string]bool)
	}
	o.undav[t.id.Service] = true
	log.Warn("a node answers OPTIONS without a DAV header: there is no WebDAV at the service's first path", "event", "no-webdav", "node", t.id.Node, "service", t.id.Service)
}

func (o *oddities) expires(log *slog.Logger, t *target, now time.Time) {
	expiry := t.health.CertExpiry
	key := certificate{t.id.Service, expiry.Unix()}
	if o.certs[key] {
		return
	}
	if o.certs == nil {
		o.certs = make(map[certificate]bool)
	}
	o.certs[key] = true
	said, event := "a node's certificate expires soon", "certificate-expires"
	if expiry.Before(now) {
		said, event = "a node's certificate has expired", "certificate-expired"
	}
	log.Warn(said, "event", event, "node", t.id.Node, "service", t.id.Service, "expiry", expiry)
}

// ourFault says that this machine lacks something that probes need.
func (o *oddities) ourFault(log *slog.Logger, reason string, now time.Time) {
	if last, told := o.starved[reason]; told && now.Sub(last) < starvedAgain {
		return
	}
	if o.starved == nil {
		o.starved = make(map[string]time.Time)
	}
	o.starved[reason] = now
	log.Error("probes fail for want of something on this machine; the nodes keep their state", "event", "probes-starved", "reason", reason)
}

func without(list, known []string) string {
	var rest []string
	for _, s := range list {
		if !slices.Contains(known, s) {
			rest = append(rest, s)
		}
	}
	return strings.Join(rest, ", ")
}
