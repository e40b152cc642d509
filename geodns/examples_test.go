package geodns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"posthouse/config"
)

// everywhere is a Places in which each region is the nearest for somebody, with the others behind it in the order of the file.
type everywhere int

func (n everywhere) Lookup(netip.Addr) (uint16, uint8) { return 0, 0 }
func (n everywhere) Orders() int                       { return int(n) }
func (n everywhere) Order(first uint16) []uint8 {
	order := []uint8{uint8(first)}
	for i := range uint8(n) {
		if i != uint8(first) {
			order = append(order, i)
		}
	}
	return order
}

// TestExamples answers the names of the geographic examples for a client near each region: by a region that runs what the name stands
// for, and by the next one once that cannot.
func TestExamples(t *testing.T) {
	for _, row := range []struct {
		file, near, names, want, then string
	}{
		{"geographic-by-demand", "eu", "imap mx submit web", "192.0.2.10", "198.51.100.10"},
		{"geographic-by-demand", "us", "imap mx submit web", "198.51.100.10", "192.0.2.10"},
		{"geographic-by-demand", "apac", "imap mx submit web", "203.0.113.10", "192.0.2.10"},
		{"geographic-by-function", "a", "imap mx", "192.0.2.10", "198.51.100.10 203.0.113.10"},
		{"geographic-by-function", "a", "submit jmap", "198.51.100.10", "203.0.113.10"},
		{"geographic-by-function", "a", "dav", "203.0.113.10", "203.0.113.10"}, // nobody else runs it
		{"geographic-by-function", "b", "mx dav", "203.0.113.10 192.0.2.10", "192.0.2.10 203.0.113.10"},
		{"geographic-by-function", "c", "jmap dav", "203.0.113.10", "198.51.100.10 203.0.113.10"},
	} {
		topology, err := config.Load("../examples/"+row.file+".yaml", config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		zones, err := NewZones(topology, 1)
		if err != nil {
			t.Fatal(err)
		}
		d := &Data{Zones: zones, Places: everywhere(len(topology.Regions))}
		near := uint16(slices.IndexFunc(topology.Regions, func(r *config.Region) bool { return r.Name == row.near }))
		for name := range strings.FieldsSeq(row.names) {
			first := addressFor(d, name, near)
			if !slices.Contains(strings.Fields(row.want), first) {
				t.Errorf("%s: %s near %s = %s, want %s", row.file, name, row.near, first, row.want)
			}
			d.View = without(d, first)
			if then := addressFor(d, name, near); !slices.Contains(strings.Fields(row.then), then) {
				t.Errorf("%s: %s near %s without %s = %s, want %s", row.file, name, row.near, first, then, row.then)
			}
			d.View = nil
		}
	}
}

// addressFor is the one address of a name for a client in a place.
func addressFor(d *Data, name string, order uint16) string {
	q := new(dns.Msg).SetQuestion(name+".mail.example.org.", dns.TypeA)
	m := d.AnswerAt(q, Place{Order: order}, true)
	if len(m.Answer) != 1 {
		return fmt.Sprint(m)
	}
	return m.Answer[0].(*dns.A).A.String()
}

// without is the view in which the region of an address can serve nothing.
func without(d *Data, address string) *View {
	v := &View{States: make([][]State, len(d.Zones.Hosts))}
	for _, h := range d.Zones.Hosts {
		states := make([]State, len(d.Zones.topology.Regions))
		for i, r := range d.Zones.topology.Regions {
			states[i].Down = !h.runs[i] || slices.Contains(r.Addresses, netip.MustParseAddr(address))
		}
		v.States[h.Index] = states
	}
	return v
}
