package admin

import (
	"net/http"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

// overview is all that the status page shows, in one answer: small enough for 1,024 nodes every other second.
type overview struct {
	Cluster  string        `json:"cluster"`
	Region   string        `json:"region"`
	Version  string        `json:"version"`
	Since    time.Time     `json:"since"` // when the process began
	Draining bool          `json:"draining"`
	Sessions int64         `json:"sessions"` // that have a node
	Regions  []*regionRow  `json:"regions"`
	Services []*serviceRow `json:"services"`
	Nodes    []*briefNode  `json:"nodes"`
}

// briefNode is a node in a line: its state is the worst of its services'.
type briefNode struct {
	Name        string  `json:"name"`
	Region      string  `json:"region"`
	State       string  `json:"state"`            // up, failing (in part), down, recovering, unknown; draining, off
	Marked      bool    `json:"marked,omitempty"` // an operator drains it
	Sessions    int64   `json:"sessions"`
	Begun       uint64  `json:"begun"`                      // sessions since the process began
	GreetingMS  float64 `json:"greeting_ms,omitempty"`      // the mean of its services
	Certificate *int    `json:"certificate_days,omitempty"` // until the first one expires
	Version     string  `json:"version,omitempty"`
	Services    string  `json:"services"`
	Bad         string  `json:"bad,omitempty"` // why the first service that fails does

	states    [config.Recovering + 1]int // services by health
	greetings int
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	s.init()
	t := s.Router.Table()
	o := overview{
		Cluster: t.Topology().Cluster, Region: t.Topology().Region, Version: s.Version, Since: s.since, Draining: s.unready.Load(),
		Regions: s.regionRows(t), Services: servicesOf(t), Nodes: briefNodes(t, time.Now()),
	}
	for _, n := range o.Nodes {
		o.Sessions += n.Sessions
	}
	answer(w, r, o)
}

// briefNodes lists every node of the topology in file order, then the balancers that stand for nodes.
func briefNodes(t *routing.Table, now time.Time) []*briefNode {
	drained := make(map[string]bool)
	for _, m := range t.Marks() {
		drained[m.Node] = drained[m.Node] || m.Weight == nil && m.Service == ""
	}
	rows := make(map[string]*briefNode, len(t.Topology().Nodes))
	all := make([]*briefNode, 0, len(t.Topology().Nodes))
	add := func(n *config.Node) *briefNode {
		row := &briefNode{Name: n.Name, Region: n.Region, Marked: drained[n.Name], Services: strings.Join(n.Services, " ")}
		rows[n.Name], all = row, append(all, row)
		return row
	}
	for _, n := range t.Topology().Nodes {
		add(n).State = [...]string{"", "draining", "off"}[n.State]
	}
	for _, b := range t.Backends() {
		row := rows[b.Node.Name]
		if row == nil {
			row = add(b.Node)
		}
		row.add(b, now)
	}
	for _, row := range all {
		row.conclude()
	}
	return all
}

func (n *briefNode) add(b *routing.Backend, now time.Time) {
	h := b.Health
	n.states[h.State]++
	n.Sessions += b.Sessions()
	n.Begun += b.Begun()
	if h.Greeting > 0 {
		n.GreetingMS += float64(h.Greeting.Microseconds()) / 1000
		n.greetings++
	}
	if n.Version == "" {
		n.Version = h.Version
	}
	if n.Bad == "" && h.State != config.Up && h.Reason != "" {
		n.Bad = b.Service.Name + ": " + h.Reason
	}
	if !h.CertExpiry.IsZero() {
		days := int(h.CertExpiry.Sub(now).Hours() / 24)
		if n.Certificate == nil || days < *n.Certificate {
			n.Certificate = &days
		}
	}
}

// conclude finds the word for all services of the node together. What the file or an operator says of it comes first.
func (n *briefNode) conclude() {
	if n.greetings > 1 {
		n.GreetingMS /= float64(n.greetings)
	}
	if n.State != "" {
		return
	}
	probed := 0
	for _, some := range n.states {
		probed += some
	}
	down, recovering := n.states[config.Down], n.states[config.Recovering]
	switch {
	case probed == n.states[config.Unknown]:
		n.State = "unknown"
	case down == probed:
		n.State = "down"
	case down+recovering == probed:
		n.State = "recovering"
	case down+recovering+n.states[config.Failing] > 0:
		n.State = "failing"
	default:
		n.State = "up"
	}
}
