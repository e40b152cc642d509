package geodns

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
)

// doubting is the gauge of a responder's doubt, and how many times it said that one began and ended.
func (r *responder) doubting(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "posthouse_dns_doubt" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	said := r.log.String()
	over := strings.Count(said, "event=dns-doubt-over")
	return fmt.Sprintf("%v, %d begun, %d over", families[0].GetMetric()[0].GetGauge().GetValue(), strings.Count(said, "event=dns-doubt")-over, over)
}

func TestSelfDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResponder(t, testTopology)
		registry := prometheus.NewRegistry()
		r.Register(registry)
		r.set("us-", "imaps", config.Down) // before
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			if got := r.told("mx") + ", " + r.told("imap"); got != want {
				t.Errorf("%q, want %q\n%s", got, want, &r.log)
			}
		}
		doubting := func(want string) {
			t.Helper()
			if got := r.doubting(t, registry); got != want {
				t.Errorf("%s; want %s\n%s", got, want, &r.log)
			}
		}
		expect(0, "eu us ap ch, eu -us -ap ch")
		r.fell("us")
		expect(0, "eu -us ap ch, eu -us -ap ch")
		r.fell("ch")
		expect(5*time.Second, "eu -us ap -ch, eu -us -ap -ch")
		doubting("0, 0 begun, 0 over")
		r.fell("ap")
		expect(5*time.Second, "eu us! ap! ch!, eu -us! -ap! ch!") // all that we see of the others is gone
		expect(4*time.Minute, "eu us! ap! ch!, eu -us! -ap! ch!")
		if n := strings.Count(r.log.String(), "more likely our own network"); n != 1 {
			t.Errorf("the doubt is said %d times:\n%s", n, &r.log)
		}
		doubting("1, 1 begun, 0 over")
		expect(time.Minute, "eu -us -ap -ch, eu -us -ap -ch") // believed
		doubting("0, 1 begun, 1 over")
		expect(time.Hour, "eu -us -ap -ch, eu -us -ap -ch")
		r.set("ap-1", "smtp", config.Up)
		expect(0, "eu -us ap -ch, eu -us -ap -ch")
		r.set("ap-1", "smtp", config.Down)
		expect(0, "eu -us -ap -ch, eu -us -ap -ch") // one alone fell: the others had long before
	})
}

func TestNoSelfDoubt(t *testing.T) {
	for name, play := range map[string]func(r *responder){
		"the own region fell too": func(r *responder) { r.fell("eu"); r.fell("us"); r.fell("ap"); r.fell("ch") },
		"one after the other": func(r *responder) {
			for _, region := range []string{"us", "ap", "ch"} {
				r.fell(region)
				r.view()
				time.Sleep(30 * time.Second)
			}
		},
		"one is up": func(r *responder) { r.fell("us"); r.fell("ap") },
		"drained regions": func(r *responder) {
			r.topology.Regions[us].State, r.topology.Regions[ap].State = config.Drain, config.Drain
			r.fell("ch")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newResponder(t, testTopology)
			r.view()
			play(r)
			r.view()
			if strings.Contains(r.log.String(), "more likely") {
				t.Errorf("%s, and the responder doubts itself:\n%s", name, &r.log)
			}
		})
	}
}

// A reload in the middle of a doubt, with the hosts in another order, changes nothing about it.
func TestDoubtOutlivesReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResponder(t, testTopology)
		registry := prometheus.NewRegistry()
		r.Register(registry)
		r.set("us-", "imaps", config.Down)
		r.view()
		r.fell("us")
		r.fell("ap")
		r.fell("ch")
		const doubted = "eu us! ap! ch!, eu -us! -ap! ch!"
		if got := r.told("mx") + ", " + r.told("imap"); got != doubted {
			t.Fatalf("%q, want %q", got, doubted)
		}
		swapped := strings.Replace(testTopology, "        imap: [imaps]\n        mx: [smtp]\n", "        mx: [smtp]\n        imap: [imaps]\n", 1)
		zones, err := NewZones(load(t, swapped), 2)
		if err != nil {
			t.Fatal(err)
		}
		r.zones = zones
		if got := r.told("mx") + ", " + r.told("imap"); got != doubted {
			t.Errorf("after a reload %q, want %q", got, doubted)
		}
		r.set("us-1", "smtp", config.Up)
		if got := r.told("mx"); got != "eu us -ap -ch" {
			t.Errorf("one is back: %q", got)
		}
		if got := r.doubting(t, registry); got != "0, 1 begun, 1 over" {
			t.Errorf("one is back: %s\n%s", got, &r.log)
		}
	})
}
