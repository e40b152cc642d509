//go:build linux

package main

import (
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"posthouse/bench/beside"
	"posthouse/geodns"
)

//go:embed *.tmpl
var templates embed.FS

// variant is how a server is configured.
type variant struct {
	signed bool
	city   bool // with the database of cities
}

type (
	kind   = beside.Kind[variant]
	server = beside.Server[variant]
	row    = beside.Row[variant]
)

const (
	echo     = "C echo"
	gdnsd    = "gdnsd"
	knot     = "Knot"
	powerDNS = "PowerDNS"
)

// kinds are the servers that are compared.
func (b *bench) kinds() []*kind {
	return []*kind{
		{Name: "posthouse", Ours: true, Config: "posthouse.yaml", Command: func(s *beside.Site, file string, _ variant) []string {
			return []string{s.Posthouse, "serve", "--config", file, "--log-level", "warn"}
		}},
		{Name: gdnsd, Config: "config", Command: func(_ *beside.Site, file string, _ variant) []string {
			return []string{"/usr/sbin/gdnsd", "-c", filepath.Dir(file), "start"}
		}},
		{Name: knot, Config: "knot.conf", Command: func(_ *beside.Site, file string, _ variant) []string {
			return []string{"/usr/sbin/knotd", "-c", file}
		}},
		{Name: powerDNS, Config: "pdns.conf", Command: func(_ *beside.Site, file string, _ variant) []string {
			return []string{"/usr/sbin/pdns_server", "--config-dir=" + filepath.Dir(file)}
		}},
		{Name: echo, Config: "port", Command: func(_ *beside.Site, file string, _ variant) []string {
			port, _ := os.ReadFile(file)
			return []string{b.echo, string(port)}
		}},
	}
}

// region is a place with what everybody answers for it.
type region struct {
	Name, Location, Continent string
	V4, V6                    []netip.Addr
}

// All is the addresses of both families.
func (r region) All() []netip.Addr { return append(r.V4[:len(r.V4):len(r.V4)], r.V6...) }

var regions = []region{
	{"eu", "[50.11, 8.68]", "EU", addrs("192.0.2.10", "192.0.2.11"), addrs("2001:db8:1::10")},
	{"us", "[38.95, -77.45]", "NA", addrs("198.51.100.10", "198.51.100.11"), addrs("2001:db8:2::10")},
	{"ap", "[35.68, 139.69]", "AS", addrs("203.0.113.10", "203.0.113.11"), addrs("2001:db8:3::10")},
}

func addrs(all ...string) (list []netip.Addr) {
	for _, a := range all {
		list = append(list, netip.MustParseAddr(a))
	}
	return list
}

// settings are what the templates are filled with.
type settings struct {
	Listen        netip.AddrPort
	Dir, Database string
	Signed        bool
	Regions       []region
}

// settings writes the files that a server reads beside its configuration.
func (b *bench) settings(p *server) any {
	database := b.countries
	if p.Variant.city || b.allCity {
		database = b.cities
	}
	files := map[string]string{}
	switch p.Kind.Name {
	case gdnsd:
		files["zones/mail.example.org"] = fmt.Sprintf(zoneFile, "imap DYNA geoip!imap")
	case knot:
		files["db/here"] = ""
		files["zone"], files["near.conf"] = fmt.Sprintf(zoneFile, "imap A 192.0.2.10\nimap AAAA 2001:db8:1::10"), knotNear
		if database == "" {
			files["near.conf"] = knotPlace
		}
	case powerDNS:
		files["zones.yaml"] = pdnsZones
	}
	for name, text := range files {
		path := filepath.Join(p.Dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, []byte(text), 0o644) // whoever misses it does not start
	}
	if p.Variant.signed && p.Kind.Ours {
		geodns.NewKey(p.Dir, "mail.example.org")
	}
	return settings{p.Addr, p.Dir, database, p.Variant.signed, regions}
}

// answers asks once.
func (b *bench) answers(p *server) error {
	client := dns.Client{Timeout: time.Second}
	m, _, err := client.Exchange(new(dns.Msg).SetQuestion("static.mail.example.org.", dns.TypeA), p.Addr.String())
	switch {
	case err != nil:
		return err
	case p.Kind.Name != echo && len(m.Answer) != 1:
		return errors.New("no answer: " + strconv.Quote(m.String()))
	}
	return nil
}
