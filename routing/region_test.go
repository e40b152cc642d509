package routing

import (
	"math"
	"slices"
	"strings"
	"testing"

	"posthouse/config"
)

// places are where the regions of these tests are.
var places = map[string]*config.Location{
	"fra": {Latitude: 50.11, Longitude: 8.68},
	"iad": {Latitude: 38.95, Longitude: -77.45},
	"sin": {Latitude: 1.35, Longitude: 103.99},
	"sfo": {Latitude: 37.62, Longitude: -122.38},
	"tyo": {Latitude: 35.55, Longitude: 139.78},
}

func TestRegionOrder(t *testing.T) {
	tests := []struct {
		name, regions string // own first; "!" drains, "-" disables, "~" is reach: none, "=" reach: balancers, "?" has no location
		failover      string // "" = not set, "none" = empty
		want          string
	}{
		{"nearest first", "fra sfo sin iad tyo", "", "fra iad sfo tyo sin"},
		{"across the date line", "tyo fra sfo sin", "", "tyo sin sfo fra"},
		{"file order where own is nowhere", "?fra sfo sin iad", "", "fra sfo sin iad"},
		{"those that are nowhere last", "fra ?sfo sin ?tyo iad", "", "fra iad sin sfo tyo"},
		{"as told", "fra iad sin", "sin iad", "fra sin iad"},
		{"only as told", "fra iad sin sfo", "sin", "fra sin"},
		{"nowhere", "fra iad sin", "none", "fra"},
		{"itself once", "fra iad", "fra iad", "fra iad"},
		{"unknown ones are left out", "fra iad", "mars iad", "fra iad"},
		{"drained", "fra !iad sin", "", "fra sin"},
		{"disabled", "fra -iad sin", "iad sin", "fra sin"},
		{"own drained", "!fra iad", "", "iad"},
		{"own drained and residency", "!fra iad", "none", ""},
		{"out of reach", "fra ~iad sin", "", "fra sin"},
		{"own is always in reach", "~fra iad", "", "fra iad"},
		{"by its balancers", "fra =iad sin", "", "fra iad sin"},
	}
	for _, test := range tests {
		top := marked(strings.Fields(test.regions))
		own := top.Regions[0]
		own.FailoverSet = test.failover != ""
		own.Failover = slices.DeleteFunc(strings.Fields(test.failover), func(s string) bool { return s == "none" })
		var got []string
		for _, r := range regionOrder(top) {
			got = append(got, r.Name)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: regionOrder(%s, failover %q) = %s, want %s", test.name, test.regions, test.failover, got, test.want)
		}
	}
}

func marked(regions []string) *config.Topology {
	t := new(config.Topology)
	for _, mark := range regions {
		name := strings.TrimLeft(mark, "!-~=?")
		r := &config.Region{Name: name, Location: places[name]}
		switch mark[0] {
		case '!':
			r.State = config.Drain
		case '-':
			r.State = config.Disabled
		case '~':
			r.Reach = config.ReachNone
		case '=':
			r.Reach = config.ReachBalancers
		case '?':
			r.Location = nil
		}
		t.Regions = append(t.Regions, r)
	}
	t.Region = t.Regions[0].Name
	return t
}

func TestDistance(t *testing.T) {
	pole := &config.Location{Latitude: 90}
	tests := []struct {
		a, b *config.Location
		want float64 // km
	}{
		{places["fra"], places["fra"], 0},
		{places["fra"], places["iad"], 6560},
		{places["sfo"], places["tyo"], 8280},
		{&config.Location{Longitude: 179}, &config.Location{Longitude: -179}, 222},
		{pole, &config.Location{Latitude: -90}, 20015},
		{&config.Location{Latitude: 50, Longitude: 8}, &config.Location{Latitude: -50, Longitude: -172}, 20015}, // antipodes: no NaN
		{pole, nil, math.Inf(1)},
	}
	for _, test := range tests {
		if got := distance(test.a, test.b); got != test.want && !(math.Abs(got-test.want) < 30) {
			t.Errorf("distance(%v, %v) = %.0f km, want %.0f", test.a, test.b, got, test.want)
		}
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name        string
		regions     []standing
		home, spill int
		keep        float64
	}{
		{"whole", []standing{{10, 10}, {10, 10}}, 0, -1, 1},
		{"at the mark", []standing{{5, 10}, {10, 10}}, 0, -1, 1},
		{"weak", []standing{{4, 10}, {10, 10}}, 0, 1, 0.8},
		{"gone", []standing{{0, 10}, {10, 10}}, 0, 1, 0},
		{"the next is weak too", []standing{{4, 10}, {1, 10}, {6, 10}}, 0, 2, 0.8},
		{"all are weak", []standing{{4, 10}, {1, 10}}, 0, -1, 1},
		{"own has none of it", []standing{{0, 0}, {1, 10}, {5, 10}}, 1, 2, 0.2},
		{"regions without it take nothing", []standing{{1, 10}, {0, 0}, {9, 10}}, 0, 2, 0.2},
		{"nobody has it", []standing{{0, 0}, {0, 0}}, -1, -1, 1},
	}
	for _, test := range tests {
		home, spill, keep := split(test.regions, 0.5)
		if home != test.home || spill != test.spill || math.Abs(keep-test.keep) > 1e-9 {
			t.Errorf("%s: split(%v) = %d, %d, %v, want %d, %d, %v", test.name, test.regions, home, spill, keep, test.home, test.spill, test.keep)
		}
	}
	if _, _, keep := split([]standing{{1, 10}, {10, 10}}, 0); keep != 1 {
		t.Errorf("min_healthy 0 keeps %v, want 1", keep)
	}
}

// A weak region keeps healthy/(weight x min_healthy) of its sessions, whatever the balance: 3 of 10 at 0.5 are 60 %.
func TestWeakRegionKeepsItsShare(t *testing.T) {
	for _, balance := range balances {
		top := topology([]*config.Service{service("imaps", balance, 4)}, []string{"eu", "us", "ap"},
			slices.Concat(nodes(10, "eu", "eu", "imaps"), nodes(10, "us", "us", "imaps"), nodes(10, "ap", "ap", "imaps"))...)
		lost := []string{"eu-1", "eu-2", "eu-3", "eu-4", "eu-5", "eu-6", "eu-7", "us-1", "us-2", "us-3", "us-4", "us-5", "us-6"}
		table := NewTable(top, State{Health: down(lost...)})
		const sessions = 50000
		got := make(map[string]int)
		for i := range sessions {
			c := table.Route(request(i))
			got[c.Next().Node.Region]++
		}
		if share := float64(got["eu"]) / sessions; math.Abs(share-0.6) > 0.02 || got["us"] != 0 {
			t.Errorf("%s: sessions by region %v of %d, want 60 %% in eu, none in us, the rest in ap", balance, got, sessions)
		}
	}
}

// By hash the same clients stay in a region that gets weaker, and come back when it gets better.
func TestWeakRegionMovesFewClients(t *testing.T) {
	top := topology([]*config.Service{service("imaps", config.ClientHash, 4)}, []string{"eu", "us"},
		slices.Concat(nodes(10, "eu", "eu", "imaps"), nodes(10, "us", "us", "imaps"))...)
	weak := NewTable(top, State{Health: down("eu-1", "eu-2", "eu-3", "eu-4", "eu-5", "eu-6")})
	weaker := NewTable(top, State{Health: down("eu-1", "eu-2", "eu-3", "eu-4", "eu-5", "eu-6", "eu-7")})
	for i := range 20000 {
		a, b := weak.Route(request(i)), weaker.Route(request(i))
		first, second := a.Next(), b.Next()
		if first.Node.Region == "us" && second != nil && second.Node.Name != first.Node.Name {
			t.Fatalf("client %d moved from %s to %s when eu got weaker", i, first.Node.Name, second.Node.Name)
		}
	}
}
