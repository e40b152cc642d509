package geodns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"posthouse/config"
)

// Explanation is why a client gets the answer that it gets.
type Explanation struct {
	Rcode   string       `json:"rcode"`
	Records []string     `json:"records"`
	Scope   uint8        `json:"scope"`             // bits of the client's address that the answer depends on; 0: it is the same for all
	Host    string       `json:"host,omitempty"`    // the name that was answered by region, behind aliases; "": none was
	Regions []Considered `json:"regions,omitempty"` // all, in the order in which they are asked
	LeftOut []netip.Addr `json:"left_out,omitempty"`
}

// Considered is a region and what became of it.
type Considered struct {
	Region string `json:"region"`
	Chosen bool   `json:"chosen"`
	Says   string `json:"says"`
}

// Explain answers a question as it would be answered over TCP, and says why. The name is in full.
func (d *Data) Explain(qname string, qtype uint16, client netip.Addr) Explanation {
	q := new(dns.Msg).SetQuestion(qname, qtype)
	q.Id = 0
	at := d.Place(netip.PrefixFrom(client, client.BitLen()))
	a := answer{data: d, query: q, at: at, reply: reply(q)}
	e := Explanation{Records: []string{}}
	if !d.Zones.holds(q.Question[0]) {
		e.Rcode = dns.RcodeToString[dns.RcodeRefused]
		return e
	}
	a.resolve()
	e.Rcode = dns.RcodeToString[a.reply.Rcode]
	last := qname
	for _, rr := range a.reply.Answer {
		e.Records = append(e.Records, strings.ReplaceAll(rr.String(), "\t", " "))
		if alias, ok := rr.(*dns.CNAME); ok {
			last = alias.Target
		}
	}
	if !a.byRegion {
		return e
	}
	e.Scope = at.Bits
	e.explainHost(d, last, qtype == dns.TypeAAAA, at)
	return e
}

// explainHost tells what became of each region. The name was found by resolve, in the same way.
func (e *Explanation) explainHost(d *Data, qname string, v6 bool, at Place) {
	qname = dns.CanonicalName(qname)
	n := d.Zones.zoneOf(qname).find(qname, dns.TypeA).name
	e.Host = strings.TrimSuffix(n.host.Name, ".")
	choice, ok := d.choose(n.host, at, v6, n.next)
	if !ok {
		return
	}
	candidates := d.candidates(n.host, at, v6)
	for _, i := range d.order(at) {
		e.Regions = append(e.Regions, Considered{
			Region: d.Zones.topology.Regions[i].Name, Chosen: i == choice.Region, Says: d.verdict(n.host, candidates, i, v6),
		})
	}
	for _, address := range family(d.Zones.topology.Regions[choice.Region].Addresses, v6) {
		if !slices.Contains(choice.Addresses, address) {
			e.LeftOut = append(e.LeftOut, address)
		}
	}
}

// verdict is what speaks for or against a region.
func (d *Data) verdict(h *Host, candidates []uint8, i uint8, v6 bool) string {
	r := d.Zones.topology.Regions[i]
	services := strings.Join(h.Services, " and ")
	if h.Any {
		services = strings.Join(h.Services, " or ")
	}
	switch {
	case len(family(r.Addresses, v6)) == 0:
		return "has no address to answer with"
	case !slices.Contains(candidates, i):
		return "is not in failover of " + d.Zones.topology.Regions[candidates[0]].Name
	case !h.runs[i]:
		return "has no node that runs " + services
	case r.State != config.Active:
		return "is out of service: state is " + r.State.String()
	case d.View.state(h, i).Down:
		return fmt.Sprintf("cannot serve %s: no active node with weight is up", services)
	case d.View.state(h, i).Changing:
		return fmt.Sprintf("can serve %s, but that is about to change", services)
	}
	return "can serve " + services
}

// Inside is the address by which a client is looked up: the IPv4 address inside an IPv6 one of a kind that has one, else its own.
func Inside(client netip.Addr) netip.Addr {
	if client.Is4() {
		return client
	}
	high, low := halves(client)
	for _, w := range wrappings {
		if w.holds(high, low) {
			return w.unwrap(high, low)
		}
	}
	return client
}
