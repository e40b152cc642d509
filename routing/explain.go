package routing

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"posthouse/config"
)

// Explanation is why a session goes where it goes: what was decided on the way, and the nodes that would be tried.
type Explanation struct {
	Service    string      `json:"service"`
	Client     netip.Addr  `json:"client"`
	Account    string      `json:"account,omitempty"`
	From       string      `json:"from"` // the region of the balancer
	Steps      []Step      `json:"steps"`
	Candidates []Candidate `json:"candidates"` // best first; none: no node takes it
}

// Step is one decision and its reason.
type Step struct {
	About string `json:"about"` // one word, for programs
	Says  string `json:"says"`
}

// Candidate is a node that the session would try, after those before it.
type Candidate struct {
	Node      string           `json:"node"`
	Region    string           `json:"region"`
	Addresses []netip.AddrPort `json:"addresses"`
	Of        int              `json:"of"`     // nodes that it was chosen from
	Chance    float64          `json:"chance"` // of a client to get it as the first of its group; by hash a client always gets the same
	Health    string           `json:"health"`
	Why       string           `json:"why"`
}

// Explain walks the candidates of a request as a session does, and tells what each choice rested on. Where chance or
// sessions decide, the next client may fare differently: the candidates are one walk of many. By round-robin the walk
// takes its turn like any other.
func Explain(t *Table, q Request) Explanation {
	e := Explanation{Service: q.Service, Client: q.Client, Account: q.Account, From: t.layout.topology.Region, Candidates: []Candidate{}}
	i, known := t.layout.services[q.Service]
	if !known {
		e.note("service", "the topology has no service %q", q.Service)
		return e
	}
	p := t.pools[i]
	e.regions(t.layout)
	e.barred(t, t.layout.sections[i])
	c := t.Route(q)
	e.share(t.layout, p, &c)
	e.note("balance", "%s", p.rule(q))
	e.walk(t.layout, &c)
	return e
}

func (e *Explanation) note(about, format string, args ...any) {
	e.Steps = append(e.Steps, Step{about, fmt.Sprintf(format, args...)})
}

// regions tells which regions are asked, in which order, and why the others are not.
func (e *Explanation) regions(l *layout) {
	own := l.topology.RegionNamed(l.topology.Region)
	asked := make(map[*config.Region]bool)
	var order, others []string
	for _, r := range l.regions {
		asked[r] = true
		order = append(order, r.Name+place(own, r))
	}
	listed := failover(l.topology, own)
	for _, r := range l.topology.Regions {
		if asked[r] {
			continue
		}
		reason := closed(l.topology, r)
		if reason == "" || r != own && !slices.Contains(listed, r) {
			reason = "not in failover of " + own.Name
		}
		others = append(others, r.Name+" ("+reason+")")
	}
	said := "asked in this order: " + strings.Join(order, ", ")
	if len(order) == 0 {
		said = "none is asked"
	}
	if len(others) > 0 {
		said += "; not asked: " + strings.Join(others, ", ")
	}
	e.note("regions", "%s", said)
}

// place is how a region stands to the balancer's own.
func place(own, r *config.Region) string {
	switch km := distance(own.Location, r.Location); {
	case r == own:
		return " (its own)"
	case own.FailoverSet || math.IsInf(km, 1):
		return ""
	default:
		return fmt.Sprintf(" (%.0f km)", km)
	}
}

// maxNamed is how many nodes a step names before it only counts.
const maxNamed = 3

// barred tells which nodes get no session whatever their health.
func (e *Explanation) barred(t *Table, s section) {
	names := make(map[string][]string)
	var reasons []string
	for i := s.first; i < s.last; i++ {
		reason := t.layout.slots[i].barred(t.backends[i])
		if reason == "" {
			continue
		}
		if names[reason] == nil {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], t.backends[i].Node.Name)
	}
	for _, reason := range reasons {
		e.note("nodes", "left out: %s (%s)", few(names[reason]), reason)
	}
}

func few(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

// share tells which region the sessions of the service begin in, and whether this one is passed on.
func (e *Explanation) share(l *layout, p *pool, c *Candidates) {
	home, spill, keep := split(p.standings, l.topology.MinHealthy)
	if home < 0 {
		e.note("region", "no region that is asked has nodes of weight for %s", p.service.Name)
		return
	}
	for _, r := range l.regions[:home] {
		e.note("region", "%s has no %s", r.Name, p.service.Name)
	}
	s := p.standings[home]
	has := fmt.Sprintf("%s has %d of its weight %d healthy for %s", l.regions[home].Name, s.healthy, s.weight, p.service.Name)
	switch {
	case spill < 0 && s.share(l.topology.MinHealthy) < 1:
		e.note("region", "%s, below min_healthy %g; no other region is above it, so all sessions stay", has, l.topology.MinHealthy)
	case spill < 0:
		e.note("region", "%s, min_healthy is %g: it keeps all sessions", has, l.topology.MinHealthy)
	default:
		verdict := "this one stays"
		if c.spilled {
			verdict = "this one goes on"
		}
		e.note("region", "%s, below min_healthy %g: it keeps %.0f %% of the sessions, the others go to %s; by %s %s",
			has, l.topology.MinHealthy, 100*keep, l.regions[spill].Name, p.lotName(), verdict)
	}
}

func (p *pool) lotName() string {
	if p.ordering.hashes() {
		return "the hash of the client"
	}
	return "chance"
}

// rule is how the service's balance chooses among the nodes of a group.
func (p *pool) rule(q Request) string {
	switch p.ordering {
	case byTurn:
		return "round-robin: nodes take turns, each as often as its weight says"
	case byChance:
		return "random: drawn by weight"
	case byClient:
		return "client-hash: the node with the largest claim on the client, by weighted rendezvous hashing"
	case byAccount:
		if q.Account == "" {
			return "account-hash: the account is not known, so the client's address decides (--account names one)"
		}
		return "account-hash: the node with the largest claim on the account, by weighted rendezvous hashing"
	}
	return "least-sessions: two nodes drawn by weight, and of the two the one with fewer sessions for its weight"
}

// walk takes the candidates one by one. Where the walk stands after a choice is the group that the choice came from.
func (e *Explanation) walk(l *layout, c *Candidates) {
	for b := c.Next(); b != nil; b = c.Next() {
		g := c.group()
		e.Candidates = append(e.Candidates, Candidate{
			Node: b.Node.Name, Region: b.Node.Region, Addresses: b.Addrs, Health: b.Health.State.String(),
			Of: len(g.members), Chance: g.chance(b), Why: c.why(l, g),
		})
	}
	switch n := len(e.Candidates); {
	case n == 0:
		e.note("end", "no node takes it: the client hears so in words of ours")
	case c.left == 0:
		e.note("end", "attempts is %d: after them the client hears words of ours", n)
	}
}

// why names the group that a choice came from.
func (c *Candidates) why(l *layout, g *group) string {
	kind := [phases]string{
		"up in %s", "of weight 0 in %s, used when no other is up", "known to be down in %s, tried when none is up", "of weight 0 and known to be down in %s",
	}
	if c.spilled {
		return fmt.Sprintf("up in %s, where this session was passed on to", l.regions[g.rank].Name)
	}
	return fmt.Sprintf(kind[c.phase], l.regions[g.rank].Name)
}

// chance is a member's part of a group's weight.
func (g *group) chance(b *Backend) float64 {
	for _, class := range g.classes {
		if slices.Contains(g.members[class.first:class.last], b) {
			return float64(class.weight) / float64(g.total)
		}
	}
	return 0
}
