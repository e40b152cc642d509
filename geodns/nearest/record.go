package nearest

import (
	"fmt"

	"github.com/oschwald/maxminddb-golang/v2/mmdbdata"
)

// record is what is wanted of a database's record.
type record struct {
	country, registered, continent string
	latitude, longitude            angle
}

type angle struct {
	degrees float64
	known   bool
}

// UnmarshalMaxMindDBCursor reads a record. The library's reflection would refuse a database that has, say, a name where
// others have a map.
func (r *record) UnmarshalMaxMindDBCursor(c mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	return fields(c, func(key []byte, value mmdbdata.Cursor) (mmdbdata.Cursor, error) {
		switch string(key) {
		case "country": // MaxMind, DB-IP
			return codeIn(value, "iso_code", &r.country)
		case "registered_country":
			return codeIn(value, "iso_code", &r.registered)
		case "continent":
			return codeIn(value, "code", &r.continent)
		case "location":
			return fields(value, r.coordinate)
		case "country_code": // flat
			return text(value, &r.country)
		case "continent_code":
			return text(value, &r.continent)
		}
		return r.coordinate(key, value)
	})
}

func (r *record) coordinate(key []byte, value mmdbdata.Cursor) (mmdbdata.Cursor, error) {
	switch string(key) {
	case "latitude":
		return r.latitude.read(value, 90)
	case "longitude":
		return r.longitude.read(value, 180)
	}
	return value.Skip()
}

// codeIn reads one value of a map, or the value itself where the database has no map there.
func codeIn(c mmdbdata.Cursor, wanted string, to *string) (mmdbdata.Cursor, error) {
	return fields(c, func(key []byte, value mmdbdata.Cursor) (mmdbdata.Cursor, error) {
		if string(key) == wanted {
			return text(value, to)
		}
		return value.Skip()
	})
}

// maxFields is more than any record has: a broken file may claim millions.
const maxFields = 256

// fields reads a map, and passes over what is none.
func fields(c mmdbdata.Cursor, read func([]byte, mmdbdata.Cursor) (mmdbdata.Cursor, error)) (mmdbdata.Cursor, error) {
	if kind, err := c.Kind(); err != nil || kind != mmdbdata.KindMap {
		return skip(c, err)
	}
	m, err := c.Map()
	if err != nil {
		return c, err
	}
	if m.Size() > maxFields {
		return c, fmt.Errorf("a map of %d fields", m.Size())
	}
	var behind mmdbdata.Cursor
	for {
		key, value, more := m.Next(behind)
		if !more {
			return m.End()
		}
		if behind, err = read(key, value); err != nil {
			return c, err
		}
	}
}

// text reads what should be two letters.
func text(c mmdbdata.Cursor, to *string) (mmdbdata.Cursor, error) {
	if kind, err := c.Kind(); err != nil || kind != mmdbdata.KindString {
		return skip(c, err)
	}
	s, behind, err := c.ReadString()
	if len(s) == 2 {
		*to = s
	}
	return behind, err
}

func (a *angle) read(c mmdbdata.Cursor, limit float64) (mmdbdata.Cursor, error) {
	if kind, err := c.Kind(); err != nil || kind != mmdbdata.KindFloat64 && kind != mmdbdata.KindFloat32 {
		return skip(c, err)
	}
	f, behind, err := c.ReadFloat()
	if f >= -limit && f <= limit { // not if it is no number
		*a = angle{f, true}
	}
	return behind, err
}

func skip(c mmdbdata.Cursor, err error) (mmdbdata.Cursor, error) {
	if err != nil {
		return c, err
	}
	return c.Skip()
}
