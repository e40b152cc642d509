package admin

import (
	"net/http"

	"posthouse/config"
	"posthouse/routing"
)

// serviceRow is a row of /api/v1/services.
type serviceRow struct {
	Name     string     `json:"name"`
	Protocol string     `json:"protocol"`
	TLS      string     `json:"tls"`
	Listen   []string   `json:"listen"` // here
	State    string     `json:"state"`  // active or drain
	Usable   bool       `json:"usable"` // a new session finds a node that is not known to be down
	Sessions int64      `json:"sessions"`
	Nodes    int        `json:"nodes"` // that this balancer can reach
	Up       int        `json:"up"`    // of these can be used now
	Regions  []shareRow `json:"regions"`
	Marks    []markRow  `json:"marks"`
}

// shareRow is a service in a region.
type shareRow struct {
	Region   string  `json:"region"`
	Weight   uint64  `json:"weight"`
	Healthy  uint64  `json:"healthy"` // weight that can serve now
	Gets     float64 `json:"gets"`    // part of this balancer's new sessions
	Nodes    int     `json:"nodes"`
	Up       int     `json:"up"`
	Sessions int64   `json:"sessions"`
}

func (s *Server) services(w http.ResponseWriter, r *http.Request) {
	answer(w, r, map[string]any{"services": servicesOf(s.Router.Table())})
}

// servicesOf lists the services that some node runs.
func servicesOf(t *routing.Table) []*serviceRow {
	all := []*serviceRow{}
	rows := make(map[string]*serviceRow)
	for _, s := range t.Topology().Services {
		if !s.Live {
			continue
		}
		row := &serviceRow{Name: s.Name, Protocol: string(s.Protocol), TLS: string(s.TLS), Listen: []string{}, State: s.State.String(),
			Usable: t.Usable(s.Name), Regions: []shareRow{}, Marks: marksOf(t.Marks(), func(m routing.Subject) bool { return m.Node == "" && m.Service == s.Name })}
		for _, a := range s.ListenIn(t.Topology().Region) {
			row.Listen = append(row.Listen, a.String())
		}
		for _, share := range t.Shares(s.Name) {
			row.Regions = append(row.Regions, shareRow{Region: share.Region, Weight: share.Weight, Healthy: share.Healthy, Gets: share.Gets})
		}
		rows[s.Name] = row
		all = append(all, row)
	}
	for _, b := range t.Backends() {
		if row := rows[b.Service.Name]; row != nil {
			row.add(t, b)
		}
	}
	return all
}

// add counts a backend. A region that gets no sessions has no share, but may have some left.
func (row *serviceRow) add(t *routing.Table, b *routing.Backend) {
	share := row.in(b.Node.Region)
	sessions := b.Sessions()
	row.Nodes, share.Nodes = row.Nodes+1, share.Nodes+1
	row.Sessions, share.Sessions = row.Sessions+sessions, share.Sessions+sessions
	if b.Health.State.Usable() && t.Barred(b) == "" {
		row.Up, share.Up = row.Up+1, share.Up+1
	}
}

func (row *serviceRow) in(region string) *shareRow {
	for i := range row.Regions {
		if row.Regions[i].Region == region {
			return &row.Regions[i]
		}
	}
	row.Regions = append(row.Regions, shareRow{Region: region})
	return &row.Regions[len(row.Regions)-1]
}

// regionRow is a row of /api/v1/regions.
type regionRow struct {
	Name      string           `json:"name"`
	Own       bool             `json:"own"`   // this balancer stands there
	State     string           `json:"state"` // active, drain or disabled
	Reach     string           `json:"reach"` // nodes, balancers or none
	Location  *config.Location `json:"location,omitempty"`
	Addresses []string         `json:"addresses"`
	Nodes     int              `json:"nodes"`
	Sessions  int64            `json:"sessions"`
	Services  []regionShare    `json:"services"`
	Marks     []markRow        `json:"marks"`
	DNS       []sentRow        `json:"dns,omitempty"`
}

// sentRow is where DNS sends the clients of a region for a name.
type sentRow struct {
	Name string `json:"name"`
	To   string `json:"to"`
}

// regionShare is a service of a region.
type regionShare struct {
	Service string `json:"service"`
	shareRow
}

func (s *Server) regions(w http.ResponseWriter, r *http.Request) {
	answer(w, r, map[string]any{"regions": s.regionRows(s.Router.Table())})
}

// regionRows are the regions, with what DNS makes of them.
func (s *Server) regionRows(t *routing.Table) []*regionRow {
	rows := regionsOf(t)
	if s.Sends == nil {
		return rows
	}
	s.Sends(func(from, name, to string) {
		for _, row := range rows {
			if row.Name == from {
				row.DNS = append(row.DNS, sentRow{name, to})
			}
		}
	})
	return rows
}

func regionsOf(t *routing.Table) []*regionRow {
	all := []*regionRow{}
	rows := make(map[string]*regionRow)
	for _, r := range t.Topology().Regions {
		row := &regionRow{Name: r.Name, Own: r.Name == t.Topology().Region, State: r.State.String(),
			Reach: [...]string{"nodes", "balancers", "none"}[r.Reach], Location: r.Location, Addresses: []string{}, Services: []regionShare{},
			Marks: marksOf(t.Marks(), func(m routing.Subject) bool { return m.Region == r.Name })}
		for _, a := range r.Addresses {
			row.Addresses = append(row.Addresses, a.String())
		}
		rows[r.Name] = row
		all = append(all, row)
	}
	for _, n := range t.Topology().Nodes {
		rows[n.Region].Nodes++
	}
	for _, s := range servicesOf(t) {
		for _, share := range s.Regions {
			row := rows[share.Region]
			row.Sessions += share.Sessions
			if share.Nodes > 0 {
				row.Services = append(row.Services, regionShare{s.Name, share})
			}
		}
	}
	return all
}
