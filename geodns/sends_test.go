package geodns

import (
	"net/netip"
	"strings"
	"testing"
)

// What is told of a region's clients is what one of them is answered.
func TestSends(t *testing.T) {
	d := newData(t, testTopology)
	for _, down := range [][]string{nil, {"mx/eu"}, {"mx/eu", "mx/us"}} {
		d.View = viewOf(t, d, down, nil)
		told := make(map[string]string)
		for _, s := range d.Sends() {
			if label, _, _ := strings.Cut(s.Name, "."); label == "mx" {
				told[s.From] = s.To
			}
		}
		for i, client := range clients {
			region := d.Zones.topology.Regions[i].Name
			var chosen string
			for _, c := range d.Explain("mx.mail.example.org.", 1, netip.MustParseAddr(client)).Regions {
				if c.Chosen {
					chosen = c.Region
				}
			}
			if told[region] != chosen || chosen == "" {
				t.Errorf("with %v down the clients of %s are said to be sent to %q, and are sent to %q", down, region, told[region], chosen)
			}
		}
	}
}
