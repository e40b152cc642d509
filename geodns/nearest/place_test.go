package nearest

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"

	"posthouse/config"
)

func code(name, value string) mmdbtype.Map {
	return mmdbtype.Map{mmdbtype.String(name): mmdbtype.String(value), "geoname_id": mmdbtype.Uint32(7)}
}

func location(latitude, longitude float64) mmdbtype.Map {
	return mmdbtype.Map{
		"accuracy_radius": mmdbtype.Uint16(20), "latitude": mmdbtype.Float64(latitude), "longitude": mmdbtype.Float64(longitude),
		"time_zone": mmdbtype.String("Europe/Berlin"),
	}
}

// TestSchemas reads one record of every kind of database that there is to be had.
func TestSchemas(t *testing.T) {
	germany := config.Location{Latitude: 51, Longitude: 10}
	berlin := config.Location{Latitude: 52.5, Longitude: 13.5}
	for _, test := range []struct {
		name   string
		record mmdbtype.DataType
		want   Place
	}{
		{"MaxMind City", mmdbtype.Map{
			"city":      mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Berlin")}},
			"continent": code("code", "EU"), "country": code("iso_code", "DE"), "registered_country": code("iso_code", "US"),
			"location": location(52.5, 13.5), "subdivisions": mmdbtype.Slice{code("iso_code", "BE")},
		}, Place{"DE", "EU", berlin, true, false}},
		{"MaxMind Country", mmdbtype.Map{"continent": code("code", "EU"), "country": code("iso_code", "DE")}, Place{"DE", "EU", germany, true, true}},
		{"MaxMind, registered only", mmdbtype.Map{"registered_country": code("iso_code", "DE")}, Place{"DE", "EU", germany, true, true}},
		{"MaxMind, continent only", mmdbtype.Map{"continent": code("code", "EU")}, Place{Continent: "EU"}},
		{"DB-IP City", mmdbtype.Map{
			"city":      mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Berlin")}},
			"continent": mmdbtype.Map{"code": mmdbtype.String("EU"), "names": mmdbtype.Map{"en": mmdbtype.String("Europe")}},
			"country":   mmdbtype.Map{"is_in_european_union": mmdbtype.Bool(true), "iso_code": mmdbtype.String("DE")},
			"location":  mmdbtype.Map{"latitude": mmdbtype.Float64(52.5), "longitude": mmdbtype.Float64(13.5)},
		}, Place{"DE", "EU", berlin, true, false}},
		{"ip-location-db city", flat("DE", 52.5, 13.5), Place{"DE", "EU", berlin, true, false}},
		{"ip-location-db country", mmdbtype.Map{"country_code": mmdbtype.String("DE")}, Place{"DE", "EU", germany, true, true}},
		{"flat with names", mmdbtype.Map{
			"country": mmdbtype.String("Germany"), "continent": mmdbtype.String("Europe"),
			"country_code": mmdbtype.String("DE"), "continent_code": mmdbtype.String("EU"),
		}, Place{"DE", "EU", germany, true, true}},
		{"in the sea", flat("DE", 0, 0), Place{"DE", "EU", germany, true, true}},
		{"off the globe", flat("DE", 91, 13.5), Place{"DE", "EU", germany, true, true}},
		{"no number", flat("DE", math.NaN(), 13.5), Place{"DE", "EU", germany, true, true}},
		{"half a place", mmdbtype.Map{"latitude": mmdbtype.Float64(52.5)}, Place{}},
		{"unknown country", mmdbtype.Map{"country_code": mmdbtype.String("ZZ")}, Place{Country: "ZZ"}},
		{"empty", flat("", 0, 0), Place{}},
		{"of another kind", mmdbtype.Map{"asn": mmdbtype.Uint32(64500)}, Place{}},
		{"no map", mmdbtype.String("DE"), Place{}},
	} {
		db := database(t, network{"192.0.2.0/24", test.record})
		got, err := placeOf(db.Lookup(netip.MustParseAddr("192.0.2.1")))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestHugeRecord(t *testing.T) {
	record := make(mmdbtype.Map)
	for i := range maxFields + 1 {
		record[mmdbtype.String(strings.Repeat("x", i+1))] = mmdbtype.Bool(true)
	}
	_, err := New(world(), database(t, network{"192.0.2.0/24", record}))
	if err == nil || !strings.Contains(err.Error(), "192.0.2.0/24") {
		t.Errorf("a record of %d fields: %v, want an error that names the network", len(record), err)
	}
}

func TestEmptyDatabase(t *testing.T) {
	if _, err := New(world(), database(t)); err == nil {
		t.Error("a database without networks is taken")
	}
}

// TestCountries wants each country on the globe, on a continent that pins can name, and in the same part of the world as its
// neighbours: a sign or two swapped figures would put it elsewhere.
func TestCountries(t *testing.T) {
	if len(countries) != 250 {
		t.Errorf("%d countries, want the 249 of ISO 3166-1 and XK", len(countries))
	}
	boxes := map[string][4]float64{ // south, north, west, east
		"EU": {35, 79, -25, 50}, "AF": {-35, 37, -26, 58}, "AS": {-13, 49, 31, 139}, "NA": {8, 65, -101, -51},
		"SA": {-52, 11, -80, -46}, "OC": {-40, 20, -180, 180}, "AN": {-76, -49, -37, 74},
	}
	for code, c := range countries {
		box, known := boxes[c.continent]
		if !known || c.latitude < box[0] || c.latitude > box[1] || c.longitude < box[2] || c.longitude > box[3] {
			t.Errorf("%s is at %v %v in %q", code, c.latitude, c.longitude, c.continent)
		}
		if c.continent == "OC" && c.longitude < 134 && c.longitude > -130 {
			t.Errorf("%s is not in the Pacific", code)
		}
	}
}

// FuzzDatabase mutates a database: New gives an error or a table that answers everywhere.
func FuzzDatabase(f *testing.F) {
	f.Add(file(f, network{"192.0.2.0/24", flat("DE", 52.5, 13.5)}, network{"2001:db8::/32", code("country_code", "US")}))
	f.Add(file(f, network{"10.0.0.0/8", mmdbtype.Map{"location": location(1, 2), "country": code("iso_code", "SG")}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 8192 {
			return // a large tree takes long, and has nothing that a small one has not
		}
		db, err := maxminddb.OpenBytes(data)
		if err != nil {
			return
		}
		g, err := New(world(), db)
		if err != nil {
			return
		}
		for _, a := range []string{"192.0.2.1", "::", "255.255.255.255", "2001:db8::1", "ffff::"} {
			if order, _ := g.Lookup(netip.MustParseAddr(a)); len(g.Order(order)) != len(world().Regions) {
				t.Errorf("%s has an order of %d regions", a, len(g.Order(order)))
			}
		}
	})
}
