package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/miekg/dns"

	"posthouse/config"
	"posthouse/geodns"
)

type dnsCmd struct {
	Records dnsRecordsCmd `cmd:"" help:"Print what a zone elsewhere needs: the delegation of our zones, or the records of a mail domain."`
	Keygen  dnsKeygenCmd  `cmd:"" help:"Make a key for each zone that has none."`
	DS      dnsDSCmd      `cmd:"" name:"ds" help:"Print what the zone above is to know of the keys."`
}

// dnsFlags are the flags of every command about zones.
type dnsFlags struct {
	Config string `required:"" placeholder:"PATH" help:"The topology: a YAML file, or a directory of them."`
}

func (f dnsFlags) load() (*config.Topology, error) { return config.Load(f.Config, config.Options{}) }

type dnsRecordsCmd struct {
	dnsFlags
	Domain []string `placeholder:"NAME" help:"A mail domain whose zone is elsewhere: print its records."`
}

func (dnsRecordsCmd) Help() string {
	return `Prints records in master-file syntax. With a dns section they delegate its zones to the balancers; with --domain, or
without the section, they are the MX, SRV and other records of a mail domain (the cluster's name, unless given), with TLSA
where clients see certificates of ours at the cluster's name.

Example: posthouse dns records --config topology.yaml --domain example.org`
}

func (cmd dnsRecordsCmd) Run(c console) error {
	topology, err := cmd.load()
	if err != nil {
		return err
	}
	domains := cmd.Domain
	if topology.DNS == nil && len(domains) == 0 {
		domains = []string{topology.Cluster}
	}
	if len(domains) > 0 {
		return printDomains(c, topology, domains)
	}
	zones, err := geodns.NewZones(topology, 1)
	if err != nil {
		return err
	}
	for _, z := range topology.DNS.Zones {
		fmt.Fprintf(c.out, "; zone %s, for the zone above it\n", z.Name)
		printRecords(c, zones.Delegation(z.Name))
	}
	return nil
}

func printDomains(c console, t *config.Topology, domains []string) error {
	for _, domain := range domains {
		if _, ok := dns.IsDomainName(domain); !ok {
			return fmt.Errorf("--domain: %q is no domain name", domain)
		}
		fmt.Fprintf(c.out, "; mail domain %s\n", domain)
		printRecords(c, geodns.MailRecords(t, domain))
		keys, err := geodns.MailKeys(t, domain)
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			fmt.Fprintln(c.out, "; if that zone is signed; before a certificate has another key, add the record of that key:")
		}
		printRecords(c, keys)
	}
	return nil
}

func printRecords(c console, records []dns.RR) {
	for _, rr := range records {
		fmt.Fprintln(c.out, rr)
	}
}

type dnsKeygenCmd struct {
	dnsFlags
	Zone []string `placeholder:"NAME" help:"Make a key for this zone, even if it has one: both then sign, until the files of one are removed."`
}

func (dnsKeygenCmd) Help() string {
	return `Writes ECDSA P-256 keys as BIND's tools do, K<zone>.+013+<tag>.key and .private, into the directory that
dns.dnssec.keys names, and prints the DS records for the zone above. Copy the directory to every balancer.

Example: posthouse dns keygen --config topology.yaml`
}

func (cmd dnsKeygenCmd) Run(c console) error {
	topology, err := cmd.load()
	if err != nil {
		return err
	}
	dir, zones, err := keyed(topology, cmd.Zone)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, zone := range zones {
		keys, err := geodns.ReadKeys(dir, zone)
		if err != nil {
			return err
		}
		if len(keys) > 0 && len(cmd.Zone) == 0 {
			fmt.Fprintf(c.err, "%s has a key already: %s\n", zone, keys[0].Path)
			continue
		}
		k, err := geodns.NewKey(dir, zone)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.err, "%s\n", k.Path)
		fmt.Fprintln(c.out, k.DS())
	}
	return nil
}

type dnsDSCmd struct {
	dnsFlags
	Zone []string `placeholder:"NAME" help:"Only this zone."`
}

func (dnsDSCmd) Help() string {
	return `Prints the DS records of the keys that sign keys, to be put into the zone above. Resolvers check signatures from then on.

Example: posthouse dns ds --config topology.yaml`
}

func (cmd dnsDSCmd) Run(c console) error {
	topology, err := cmd.load()
	if err != nil {
		return err
	}
	dir, zones, err := keyed(topology, cmd.Zone)
	if err != nil {
		return err
	}
	for _, zone := range zones {
		keys, err := geodns.ReadKeys(dir, zone)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return fmt.Errorf("zone %q: no key in %s: make one with posthouse dns keygen", zone, dir)
		}
		for _, k := range keys {
			if k.SignsKeys() {
				fmt.Fprintln(c.out, k.DS())
			}
		}
	}
	return nil
}

// keyed is the directory of keys and the zones that are asked for, by default all.
func keyed(t *config.Topology, asked []string) (dir string, zones []string, err error) {
	if t.DNS == nil || t.DNS.KeyDir == "" {
		return "", nil, errors.New("the topology names no directory for keys: dns: {dnssec: {keys: DIRECTORY}}")
	}
	known := make(map[string]bool)
	for _, z := range t.DNS.Zones {
		known[z.Name] = true
		if len(asked) == 0 {
			zones = append(zones, z.Name)
		}
	}
	for _, name := range asked {
		zone := dns.CanonicalName(name)
		zone = zone[:len(zone)-1]
		if !known[zone] {
			return "", nil, fmt.Errorf("dns has no zone %q", name)
		}
		zones = append(zones, zone)
	}
	return t.DNS.KeyDir, zones, nil
}
