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

// databaseName is the package of npm that the networks and countries come from: open data (CC0), of registries and routes.
const databaseName = "@ip-location-db/geo-whois-asn-country-mmdb"

// fetchDatabase fetches the package and writes its countries in MaxMind's own form, which is the only one that gdnsd and PowerDNS read. It is kept
// in the user's cache.
func fetchDatabase(dir string) (path string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(cache, "posthouse-bench", "country.mmdb")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fetch := exec.Command("npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", dir, databaseName)
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w: %s", databaseName, err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "node_modules", databaseName, "*.mmdb"))
	if err != nil || len(found) == 0 {
		return "", errors.New(databaseName + " has no database")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	if err := convert(found, path); err != nil {
		return "", err
	}
	return path, nil
}

// convert writes the networks of flat databases into one.
func convert(flat []string, path string) error {
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", RecordSize: 28, IncludeReservedNetworks: true})
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

func take(tree *mmdbwriter.Tree, name string) error {
	db, err := maxminddb.Open(name)
	if err != nil {
		return err
	}
	defer db.Close()
	records := map[string]mmdbtype.DataType{} // one for each country: the file has each once
	for n := range db.Networks() {
		var flat struct {
			Country string `maxminddb:"country_code"`
		}
		if err := n.Decode(&flat); err != nil {
			return err
		}
		if records[flat.Country] == nil {
			records[flat.Country] = record(flat.Country)
		}
		err := tree.Insert(netipx.PrefixIPNet(plain(n.Prefix())), records[flat.Country])
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

// record is a country and the continent by which the servers choose. That of all but the largest countries is said to be Europe: what a network
// leads to matters less here than that networks differ.
func record(country string) mmdbtype.DataType {
	continent := mmdbtype.String("EU")
	switch country {
	case "US", "CA", "MX", "PR", "CR", "PA":
		continent = "NA"
	case "CN", "JP", "KR", "IN", "ID", "VN", "TH", "TW", "HK", "SG", "MY", "PH", "PK", "BD", "IR", "TR", "SA", "IL", "AE", "KZ":
		continent = "AS"
	}
	return mmdbtype.Map{
		"continent": mmdbtype.Map{"code": continent},
		"country":   mmdbtype.Map{"iso_code": mmdbtype.String(country)},
	}
}

// sourceOf is the path of a file beside this one.
func sourceOf(name string) (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "posthouse/bench/dns").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	return filepath.Join(string(out[:len(out)-1]), name), nil
}
