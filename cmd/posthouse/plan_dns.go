package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/miekg/dns"

	"posthouse/config"
)

// namePlan is what a change does to the answers for a name that goes by region.
type namePlan struct {
	Name   string       `json:"name"`
	Tried  int          `json:"tried"`           // networks
	Change float64      `json:"change"`          // per cent of them whose clients get another region
	Moves  []regionMove `json:"moves,omitempty"` // most first
}

// regionMove is networks that go from one region to another; "" is no answer.
type regionMove struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Networks int    `json:"networks"`
}

// planNames asks both topologies for each name and network, by the code that answers. Nothing where neither has DNS.
func planNames(old, next *config.Topology, step *progress) ([]namePlan, error) {
	before, err := regionsOf(old)
	if err != nil {
		return nil, err
	}
	defer before.close()
	after, err := regionsOf(next)
	if err != nil {
		return nil, err
	}
	defer after.close()
	clients := slices.Concat(everyBlock(), union(pinned(old), pinned(next)))
	var plans []namePlan
	names := union(hostsOf(old), hostsOf(next))
	for i, name := range names {
		p, moves := namePlan{Name: strings.TrimSuffix(name, "."), Tried: len(clients)}, make(map[regionMove]int)
		for j, client := range clients {
			if j%256 == 0 {
				step.at("names: %d of %d", i, len(names))
			}
			if m := (regionMove{From: before.region(name, client), To: after.region(name, client)}); m.From != m.To {
				moves[m]++
				p.Change += 100 / float64(len(clients))
			}
		}
		for _, m := range slices.SortedFunc(maps.Keys(moves), func(a, b regionMove) int {
			return cmp.Or(cmp.Compare(moves[b], moves[a]), cmp.Compare(a.From+" "+a.To, b.From+" "+b.To))
		}) {
			m.Networks = moves[m]
			p.Moves = append(p.Moves, m)
		}
		if len(p.Moves) > 0 {
			plans = append(plans, p)
		}
	}
	return plans, nil
}

// regionsOf is a topology as DNS answers by it; nil if it has no DNS.
func regionsOf(t *config.Topology) (*naming, error) {
	hosts := hostsOf(t)
	if len(hosts) == 0 {
		return nil, nil
	}
	return newNaming(t, hosts[0], "A", nil)
}

// region is where a name leads a client of a network; "" if there is no answer.
func (n *naming) region(name string, client netip.Addr) string {
	if n == nil {
		return ""
	}
	qtype := dns.TypeA
	if client.Is6() {
		qtype = dns.TypeAAAA
	}
	for _, r := range n.data.Explain(name, qtype, client).Regions {
		if r.Chosen {
			return r.Region
		}
	}
	return ""
}

// hostsOf is the names that are answered by region, in full.
func hostsOf(t *config.Topology) (all []string) {
	if t.DNS == nil {
		return nil
	}
	for _, z := range t.DNS.Zones {
		for _, h := range z.Hosts {
			name := dns.Fqdn(z.Name)
			if h.Name != "@" {
				name = h.Name + "." + name
			}
			all = append(all, name)
		}
	}
	return all
}

// union is both lists, each thing once.
func union[T comparable](a, b []T) []T {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// everyBlock is a client of each /12 of IPv4 that may have clients: enough to tell a per cent, and quick.
func everyBlock() (all []netip.Addr) {
	for i := range 1 << 12 {
		a := netip.AddrFrom4([4]byte{byte(i >> 4), byte(i << 4), 0, 1})
		if first := a.As4()[0]; first > 0 && first < 224 && first != 10 && first != 127 {
			all = append(all, a)
		}
	}
	return all
}

// pinned is a client of each network that the file pins.
func pinned(t *config.Topology) (all []netip.Addr) {
	for _, r := range t.Regions {
		for _, p := range r.Prefixes {
			all = append(all, p.Addr())
		}
	}
	return all
}

func printNames(w io.Writer, plans []namePlan) {
	if len(plans) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tNETWORKS THAT GET ANOTHER REGION\tFROM AND TO")
	for _, p := range plans {
		var moves []string
		for _, m := range p.Moves {
			moves = append(moves, fmt.Sprintf("%s -> %s %d", cmp.Or(m.From, "none"), cmp.Or(m.To, "none"), m.Networks))
		}
		fmt.Fprintf(table, "%s\t%s of %d tried\t%s\n", p.Name, percent(p.Change), p.Tried, fewOf(moves))
	}
	table.Flush()
}
