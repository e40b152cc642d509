package admin

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

// node is one row of /api/v1/nodes.
type node struct {
	Name      string       `json:"name"`
	Region    string       `json:"region"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Host      string       `json:"host,omitempty"`
	State     string       `json:"state"` // active, drain or disabled: the stricter of file and marks
	Sessions  int64        `json:"sessions"`
	Marks     []markRow    `json:"marks"`
	Services  []service    `json:"services"`
}

// service is one service of a node.
type service struct {
	Name         string     `json:"name"`
	Port         uint16     `json:"port"`
	Weight       int        `json:"weight"`
	State        string     `json:"state"` // of the probes: unknown, up, failing (1 of 3), down, recovering (1 of 2)
	Usable       bool       `json:"usable"`
	Barred       string     `json:"barred,omitempty"` // why it gets no sessions whatever its health
	Since        *time.Time `json:"since,omitempty"`
	Sessions     int64      `json:"sessions"`
	GreetingMS   float64    `json:"greeting_ms,omitempty"`
	Version      string     `json:"version,omitempty"`
	Capabilities []string   `json:"capabilities,omitempty"`
	CertExpiry   *time.Time `json:"certificate_expiry,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Transcript   string     `json:"transcript,omitempty"`
}

func (s *Server) nodes(w http.ResponseWriter, r *http.Request) {
	nodes := nodesOf(s.Router.Table())
	if name := asked(r).word("name"); name != "" {
		nodes = slices.DeleteFunc(nodes, func(n *node) bool { return n.Name != name })
	}
	answer(w, r, map[string]any{"nodes": nodes})
}

// nodesOf lists every node of the topology in file order, then the balancers that stand for nodes.
func nodesOf(t *routing.Table) []*node {
	rows := make(map[string]*node)
	var all []*node
	add := func(n *config.Node) *node {
		row := &node{Name: n.Name, Region: n.Region, Addresses: n.Addresses, Host: n.Host,
			State: n.State.String(), Services: []service{}, Marks: marksOf(t.Marks(), func(s routing.Subject) bool { return s.Node == n.Name })}
		rows[n.Name], all = row, append(all, row)
		return row
	}
	for _, n := range t.Topology().Nodes {
		add(n)
	}
	for _, b := range t.Backends() {
		row := rows[b.Node.Name]
		if row == nil {
			row = add(b.Node)
		}
		row.Sessions += b.Sessions()
		row.Services = append(row.Services, serviceOf(t, b))
	}
	return all
}

func serviceOf(t *routing.Table, b *routing.Backend) service {
	h := b.Health
	return service{
		Name: b.Service.Name, Port: b.Node.Port(b.Service), Weight: b.Node.WeightFor(b.Service.Name),
		State: stateOf(h, b.Service.Check), Usable: h.State.Usable() && t.Barred(b) == "", Barred: t.Barred(b),
		Since: instant(h.Since), Sessions: b.Sessions(),
		GreetingMS: float64(h.Greeting.Microseconds()) / 1000,
		Version:    h.Version, Capabilities: h.Capabilities, CertExpiry: instant(h.CertExpiry),
		Reason: h.Reason, Transcript: h.Transcript,
	}
}

func stateOf(h config.Health, c config.Check) string {
	switch h.State {
	case config.Failing:
		return fmt.Sprintf("failing (%d of %d)", h.Count, c.Fall)
	case config.Recovering:
		return fmt.Sprintf("recovering (%d of %d)", h.Count, c.Rise)
	}
	return h.State.String()
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
