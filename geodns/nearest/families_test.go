package nearest

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"posthouse/config"
)

// apart is random networks of both families, and those of each.
func apart(n int, random *rand.Rand) (all, v4, v6 []network) {
	for range n {
		prefix := randomPrefix(random)
		one := network{prefix.String(), flat("ZZ", random.Float64()*180-90, random.Float64()*360-180)}
		all = append(all, one)
		if prefix.Addr().Is4() {
			v4 = append(v4, one)
		} else {
			v6 = append(v6, one)
		}
	}
	return all, v4, v6
}

// TestDatabaseForEachFamily holds two databases against the one that has all of both.
func TestDatabaseForEachFamily(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	all, v4, v6 := apart(2000, random)
	whole, first, second := database(t, all...), database(t, v4...), database(t, v6...)
	one, err := New(pinned(), whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, both := range []Files{{{Reader: first}, {Reader: second}}, {{Reader: second}, {Reader: first}}} {
		two, err := New(pinned(), both.Readers()...)
		if err != nil {
			t.Fatal(err)
		}
		if two.Networks() != one.Networks() {
			t.Errorf("%d networks in two databases, %d in one", two.Networks(), one.Networks())
		}
		for range 20_000 {
			a := randomAddr(random)
			got, bits := two.Lookup(a)
			want, wanted := one.Lookup(a)
			if bits != wanted || !slices.Equal(two.Order(got), one.Order(want)) {
				t.Fatalf("%s: %v in /%d of two databases, %v in /%d of one", a, two.Order(got), bits, one.Order(want), wanted)
			}
		}
		for range 1000 {
			a := randomAddr(random)
			got, err := two.Explain(a, both.Readers()...)
			want, err2 := one.Explain(a, whole)
			if err != nil || err2 != nil || got.Rule != want.Rule || got.Place != want.Place || got.Network.IsValid() != want.Network.IsValid() {
				t.Fatalf("%s: explained as %+v, %v by two databases, %+v, %v by one", a, got, err, want, err2)
			}
		}
	}
	for _, wrong := range []Files{{{Reader: whole}, {Reader: first}}, {{Reader: second}, {Reader: whole}}} {
		if _, err := New(pinned(), wrong.Readers()...); err == nil || !strings.Contains(err.Error(), "one for each family") {
			t.Errorf("two databases with networks of one family: %v", err)
		}
	}
}

// TestOpenAll names the file that cannot be opened, wherever it stands.
func TestOpenAll(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "ipv4.mmdb"), filepath.Join(dir, "ipv6.mmdb")
	if err := os.WriteFile(good, file(t, network{"192.0.2.0/24", flat("DE", 52.5, 13.5)}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][]string{{good, bad}, {bad, good}} {
		if _, err := NewLoader(&config.Topology{DNS: &config.DNS{GeoIP: paths}}, nil); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%v: %v, want the name of the one that is missing", paths, err)
		}
	}
	all, err := OpenAll([]string{good})
	if err != nil || len(all.Readers()) != 1 || !all.Readers()[0].Lookup(netip.MustParseAddr("192.0.2.1")).Found() {
		t.Errorf("a good one: %v, %v", all, err)
	}
	all.Close()
}
