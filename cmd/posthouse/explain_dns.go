package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"posthouse/config"
	"posthouse/geodns"
	"posthouse/geodns/nearest"
	"posthouse/routing"
)

// naming is a question of DNS, apart from the client, and what it is answered from.
type naming struct {
	name      string // in full
	qtype     uint16
	data      *geodns.Data
	geography *nearest.Geography
	databases nearest.Files // none: there is none, or it is not at hand
	json      bool
}

// named is what the answer is, and why.
type named struct {
	Name   string      `json:"name"`
	Type   string      `json:"type"`
	Client netip.Addr  `json:"client"`
	Where  whereabouts `json:"where"`
	geodns.Explanation
}

// whereabouts is where a client is, and which rule makes which regions near.
type whereabouts struct {
	Database  bool         `json:"database"`         // there is one
	Merged    bool         `json:"merged,omitempty"` // but nothing of it is at hand apart from the order
	Rule      string       `json:"rule"`
	Pin       string       `json:"pin,omitempty"`
	Country   string       `json:"country,omitempty"`
	Continent string       `json:"continent,omitempty"`
	Location  *[2]float64  `json:"location,omitempty"`
	Centre    bool         `json:"centre,omitempty"` // the location is the middle of the country
	Network   netip.Prefix `json:"network,omitzero"` // of the database's record
	Order     []string     `json:"order"`
	Away      []float64    `json:"kilometres,omitempty"` // as the regions in order; -1: not known
}

var errNoDNS = errors.New("names are asked of DNS, and the topology has no section dns")

// explainName answers for --name.
func (cmd explainCmd) explainName(t *config.Topology, down map[config.Target]config.Health, c console) error {
	n, err := newNaming(t, cmd.Name, cmd.Type, down)
	if err != nil {
		return err
	}
	defer n.close()
	n.json = cmd.JSON
	if cmd.Bulk != "" {
		return bulk(cmd.Bulk, c, n.line)
	}
	client, err := clientAddress(cmd.Client)
	if err != nil {
		return err
	}
	answer, err := n.explain(client)
	if err != nil {
		return err
	}
	return answer.tell(c.out, n.json)
}

// tell prints the answer; that there is none is exit 1.
func (a named) tell(w io.Writer, json bool) (err error) {
	if json {
		err = printJSON(w, a)
	} else {
		a.print(w)
	}
	if err == nil && len(a.Records) == 0 {
		err = errSaid
	}
	return err
}

// newQuestion takes name and type as people write them.
func newQuestion(name, qtype string) (*naming, error) {
	n := &naming{name: dns.Fqdn(name)}
	var known bool
	if n.qtype, known = dns.StringToType[strings.ToUpper(qtype)]; !known {
		return nil, fmt.Errorf("%q is no type of DNS records; A, AAAA, MX and the like are", qtype)
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, fmt.Errorf("%q is no domain name", name)
	}
	return n, nil
}

func newNaming(t *config.Topology, name, qtype string, down map[config.Target]config.Health) (*naming, error) {
	if t.DNS == nil {
		return nil, errNoDNS
	}
	n, err := newQuestion(name, qtype)
	if err != nil {
		return nil, err
	}
	zones, err := geodns.NewZones(t, 1)
	if err != nil {
		return nil, err
	}
	if err := n.locate(t); err != nil {
		return nil, fmt.Errorf("dns: geoip: %w", err)
	}
	n.data = &geodns.Data{Zones: zones, Places: n.geography, View: viewOf(zones, t, down)}
	return n, nil
}

// locate reads the databases, if there are any.
func (n *naming) locate(t *config.Topology) (err error) {
	if n.databases, err = nearest.OpenAll(t.DNS.GeoIP); err != nil {
		return err
	}
	if n.geography, err = nearest.New(t, n.databases.Readers()...); err != nil {
		n.close()
	}
	return err
}

// close may be called of nothing.
func (n *naming) close() {
	if n != nil {
		n.databases.Close()
	}
}

// viewOf is how the regions are with some targets down.
func viewOf(z *geodns.Zones, t *config.Topology, down map[config.Target]config.Health) *geodns.View {
	health := geodns.Health{Log: slog.New(slog.DiscardHandler), Changed: func() {}}
	for target, h := range down {
		health.Report(target, h)
	}
	return health.View(z, routing.NewTable(t, routing.State{Health: down}))
}

func (n *naming) explain(client netip.Addr) (named, error) {
	reason, err := n.geography.Explain(geodns.Inside(client), n.databases.Readers()...)
	if err != nil {
		return named{}, err
	}
	return named{
		Name: strings.TrimSuffix(n.name, "."), Type: dns.TypeToString[n.qtype], Client: client,
		Where: n.where(reason), Explanation: n.data.Explain(n.name, n.qtype, client),
	}, nil
}

func (n *naming) where(r nearest.Reason) whereabouts {
	w := whereabouts{
		Database: n.geography.Networks() > 0, Merged: n.geography.Networks() > 0 && len(n.databases) == 0,
		Rule: string(r.Rule), Pin: r.Pin, Country: r.Place.Country, Continent: r.Place.Continent,
		Centre: r.Place.Centre, Network: r.Network,
	}
	if r.Place.Located {
		w.Location = &[2]float64{rounded(r.Place.Location.Latitude), rounded(r.Place.Location.Longitude)}
	}
	regions := n.data.Zones.Topology().Regions
	for _, i := range r.Order {
		w.Order = append(w.Order, regions[i].Name)
		if r.Place.Located {
			w.Away = append(w.Away, math.Round(r.Kilometres[i]))
		}
	}
	return w
}

// rounded is degrees as databases mean them: many keep them in 32 bits.
func rounded(degrees float64) float64 { return math.Round(degrees*1e4) / 1e4 }
