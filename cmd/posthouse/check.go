package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"posthouse/config"
)

type checkCmd struct {
	Path   string `arg:"" optional:"" help:"The topology: a YAML file, or a directory of them."`
	Region string `env:"POSTHOUSE_REGION" placeholder:"NAME" help:"Where the balancer stands; wins over the file."`
	Schema bool   `help:"Print the JSON Schema of topology files instead, for editors."`
}

func (checkCmd) Help() string {
	return `Prints every mistake at once as file:line:column: message and exits with 1, or a summary, warnings, and exits with 0.

Example: posthouse check topology.yaml
Example: posthouse check --schema > topology.schema.json`
}

func (cmd checkCmd) Run(c console) error {
	if cmd.Schema {
		_, err := c.out.Write(config.Schema())
		return err
	}
	if cmd.Path == "" {
		return errors.New("which file? Example: posthouse check topology.yaml")
	}
	topology, err := config.Load(cmd.Path, config.Options{Region: cmd.Region})
	if err != nil {
		return err
	}
	summarize(c.out, topology)
	for _, w := range topology.Warnings {
		fmt.Fprintf(c.err, "warning: %s\n", w)
	}
	return nil
}

// summarize prints what the file says as a table: a line a live service, a column a region.
func summarize(w io.Writer, t *config.Topology) {
	fmt.Fprintf(w, "%s: %s in %s; this balancer stands in %s\n\n", t.Cluster,
		count(len(t.Nodes), "node"), count(len(t.Regions), "region"), t.Region)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "SERVICE\tLISTEN\tTLS\tBALANCE")
	for _, r := range t.Regions {
		fmt.Fprintf(table, "\t%s", strings.ToUpper(r.Name))
	}
	fmt.Fprintln(table)
	pools := countPools(t)
	for _, s := range t.Services {
		if !s.Live {
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s", s.Name, addresses(s.ListenIn(t.Region)), s.TLS, s.Balance)
		for _, r := range t.Regions {
			fmt.Fprintf(table, "\t%s", pools[pool{s.Name, r.Name}])
		}
		fmt.Fprintln(table)
	}
	table.Flush()
}

// pool is a service in a region.
type pool struct{ service, region string }

// tally is how many nodes a pool has, and how many of them take new sessions.
type tally struct{ nodes, active int }

func (t tally) String() string {
	switch {
	case t.nodes == 0:
		return "-"
	case t.active == t.nodes:
		return fmt.Sprint(t.nodes)
	}
	return fmt.Sprintf("%d of %d", t.active, t.nodes)
}

func countPools(t *config.Topology) map[pool]tally {
	pools := make(map[pool]tally)
	for _, n := range t.Nodes {
		for _, s := range n.Services {
			p := pool{s, n.Region}
			c := pools[p]
			c.nodes++
			if n.State == config.Active && t.RegionNamed(n.Region).State == config.Active {
				c.active++
			}
			pools[p] = c
		}
	}
	return pools
}

func addresses(listen []netip.AddrPort) string {
	if len(listen) == 0 {
		return "-"
	}
	words := make([]string, len(listen))
	for i, a := range listen {
		words[i] = a.String()
		if !a.Addr().IsValid() {
			words[i] = fmt.Sprintf(":%d", a.Port())
		}
	}
	return strings.Join(words, " ")
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
