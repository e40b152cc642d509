package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"posthouse/config"
)

// shapePool is a row of the table: nodes that serve a service, for the clients of one region or more.
type shapePool struct {
	service, nodes string
	requests       bool // a session counts no longer than its request takes
	groups         []expected
	regions        []string // of its clients
	promised       int      // sessions
	byNode         map[string]int
	failed         int
}

// pool is the row of a promise.
func (l *shapeLoad) pool(t *testing.T, service *config.Service, p promise) *shapePool {
	for _, known := range l.pools {
		if known.service == service.Name && known.nodes == p.nodes {
			known.regions = append(known.regions, p.region)
			return known
		}
	}
	pool := &shapePool{service: service.Name, nodes: p.nodes, groups: p.expects(t), regions: []string{p.region}, byNode: make(map[string]int)}
	pool.requests = service.Protocol == config.HTTP && service.TLS != config.Passthrough
	l.pools = append(l.pools, pool)
	return pool
}

// table is what came out, and says where it is not what was promised.
func (l *shapeLoad) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %-14s %5s %8s %4s %5s %4s  %6s %8s %6s\n", "service", "nodes", "", "sessions", "min", "mean", "max", "share", "promised", "errors")
	ofService := make(map[string]int)
	for _, p := range l.pools {
		ofService[p.service] += p.promised
	}
	for _, p := range l.pools {
		for i, g := range p.groups {
			min, mean, max, sessions := p.spread(i)
			share, promised := float64(sessions)/float64(ofService[p.service]), p.promisedTo(g)/float64(ofService[p.service])
			fmt.Fprintf(&b, "%-12s %-14s %5d %8d %4d %5.2f %4d  %5.1f%% %7.1f%% %6d\n",
				p.service, g.prefix, g.count, sessions, min, mean, max, 100*share, 100*promised, p.failed)
			l.checkSpread(p, g, mean, max, sessions)
		}
	}
	return b.String()
}

// spread is the sessions by node of a group.
func (p *shapePool) spread(group int) (least int, mean float64, most, sessions int) {
	least, serving := math.MaxInt, 0
	for node, n := range p.byNode {
		if groupOf(p.groups, node) == group {
			serving++
			sessions += n
			least, most = min(least, n), max(most, n)
		}
	}
	if serving < p.groups[group].count {
		least = 0
	}
	return least, float64(sessions) / float64(p.groups[group].count), most, sessions
}

// promisedTo is how many of the pool's sessions are the group's by weight.
func (p *shapePool) promisedTo(g expected) float64 {
	total := 0
	for _, each := range p.groups {
		total += each.count * each.weight
	}
	return float64(p.promised) * float64(g.count*g.weight) / float64(total)
}

// checkSpread holds a group to its share, which is exact where it is the whole pool, and its nodes to an even load. By the
// power of two choices the fullest node is little above the mean, though each balancer knows its own sessions only and
// services of HTTP by passthrough are one to it. Requests come and go before the next ones: each is a choice of its own.
func (l *shapeLoad) checkSpread(p *shapePool, g expected, mean float64, most, sessions int) {
	l.t.Helper()
	want, slack := p.promisedTo(g), 0.0
	if len(p.groups) > 1 {
		slack = 4 * math.Sqrt(want) // standard deviations
	}
	if math.Abs(float64(sessions)-want) > slack {
		l.t.Errorf("%s: %d sessions on %s*, want %.0f", p.service, sessions, g.prefix, want)
	}
	above := float64(4*g.weight + len(p.regions) - 1)
	if p.requests {
		above += 6 * math.Sqrt(mean)
	}
	if float64(most) > mean+above {
		l.t.Errorf("%s: %d sessions on a node of %s*, %.2f on average", p.service, most, g.prefix, mean)
	}
}
