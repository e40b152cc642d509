package nearest

import (
	"github.com/oschwald/maxminddb-golang/v2"

	"posthouse/config"
)

// Place is where a database says that a network is. The zero value says nothing.
type Place struct {
	Country   string // ISO 3166-1 alpha-2
	Continent string // two letters
	Location  config.Location
	Located   bool // Location is known
	Centre    bool // but it is the country's: the database has none
}

// placeOf reads a record of any of the usual schemas: nested as in MaxMind's City and Country and in DB-IP, or flat as
// in the databases of ip-location-db. What has another type than expected is passed over like an unknown key.
func placeOf(n maxminddb.Result) (Place, error) {
	var r record
	if err := n.Decode(&r); err != nil {
		return Place{}, err
	}
	p := Place{Country: r.country, Continent: r.continent}
	if p.Country == "" {
		p.Country = r.registered
	}
	c, known := countries[p.Country]
	if p.Continent == "" {
		p.Continent = c.continent
	}
	switch {
	case r.latitude.known && r.longitude.known && (r.latitude.degrees != 0 || r.longitude.degrees != 0): // 0, 0 is in the sea
		p.Location, p.Located = config.Location{Latitude: r.latitude.degrees, Longitude: r.longitude.degrees}, true
	case known:
		p.Location, p.Located, p.Centre = config.Location{Latitude: c.latitude, Longitude: c.longitude}, true, true
	}
	return p, nil
}
