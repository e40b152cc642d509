package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"posthouse/config"
	"posthouse/routing"
)

type explainCmd struct {
	Config  string   `placeholder:"PATH" help:"The topology: a YAML file, or a directory of them."`
	Region  string   `env:"POSTHOUSE_REGION" placeholder:"NAME" help:"Where the balancer stands; wins over the file."`
	Client  string   `placeholder:"ADDR" help:"The client's address."`
	Service string   `placeholder:"NAME" help:"Tell every step for this service; without it: a line for each live service."`
	Account string   `placeholder:"NAME" help:"The account that logs in."`
	Name    string   `placeholder:"NAME" help:"Tell what DNS answers for this name, instead of where sessions go."`
	Type    string   `default:"A" placeholder:"TYPE" help:"With --name: the type of record."`
	Down    []string `placeholder:"NODE,..." help:"Nodes, whole regions, or address/REGION/ADDRESS that are taken to be down."`
	Bulk    string   `placeholder:"FILE" help:"Answer for many clients: lines of ADDR, or ADDR SERVICE, or ADDR SERVICE ACCOUNT; - is standard input."`
	JSON    bool     `name:"json" help:"Print JSON; with --bulk an object a line."`
	Live    bool     `help:"Ask a running balancer, which knows its nodes and sessions, instead of a file."`
	adminFlags
}

func (explainCmd) Help() string {
	return `Why a client would get this region and this node: each step with its reason, by the code that routes sessions. No
node is asked: all count as up but those named by --down. Where chance decides, the next client may get another node.
Exits with 1 if a service that was asked for finds no node for the client. With --live a running balancer answers.

Example: posthouse explain --config topology.yaml --client 203.0.113.7 --service imaps --down eu-3,eu-4
Example: posthouse explain --config topology.yaml --client 203.0.113.7 --name imap.mail.example.org --type AAAA
Example: posthouse explain --live --client 203.0.113.7 --service imaps
Example: posthouse explain --live --client 203.0.113.7 --name imap.mail.example.org`
}

func (cmd explainCmd) Run(c console) error {
	switch {
	case cmd.Name != "" && (cmd.Service != "" || cmd.Account != ""):
		return errors.New("--name asks DNS, which knows neither --service nor --account")
	case cmd.Live && cmd.Name != "":
		return cmd.askName(c)
	case cmd.Live:
		return cmd.askBalancer(c)
	case cmd.Config == "":
		return errors.New("which topology? --config PATH, or --live for that of a running balancer")
	}
	topology, err := config.Load(cmd.Config, config.Options{Region: cmd.Region})
	if err != nil {
		return err
	}
	down, err := healthOf(topology, cmd.Down)
	if err != nil {
		return err
	}
	if cmd.Name != "" {
		return cmd.explainName(topology, down, c)
	}
	asked, err := newAsking(routing.NewTable(topology, routing.State{Health: down}), cmd.Service, cmd.Account)
	if err != nil {
		return err
	}
	asked.json = cmd.JSON
	if cmd.Bulk != "" {
		return asked.bulk(cmd.Bulk, c)
	}
	client, err := clientAddress(cmd.Client)
	if err != nil {
		return err
	}
	return cmd.tell(c.out, asked.all(client))
}

// asking is what is asked, apart from the client.
type asking struct {
	table    *routing.Table
	services []string
	account  string
	json     bool
}

func newAsking(table *routing.Table, service, account string) (a asking, err error) {
	a = asking{table: table, account: account, services: liveServices(table.Topology())}
	if service != "" {
		a.services, err = serviceNamed(table.Topology(), service)
	}
	return a, err
}

func (a asking) explain(client netip.Addr, service string) routing.Explanation {
	return explainSession(a.table, routing.Request{Service: service, Client: client, Account: a.account})
}

// all is the answer for each service.
func (a asking) all(client netip.Addr) []routing.Explanation {
	all := make([]routing.Explanation, len(a.services))
	for i, s := range a.services {
		all[i] = a.explain(client, s)
	}
	return all
}

// tell prints every step of one service, or a line for each of all.
func (cmd explainCmd) tell(w io.Writer, all []routing.Explanation) error {
	if cmd.Service == "" {
		if cmd.JSON {
			return printJSON(w, all)
		}
		return printLines(w, all)
	}
	for _, e := range all {
		if cmd.JSON {
			if err := printJSON(w, e); err != nil {
				return err
			}
		} else {
			printSteps(w, e)
		}
		if len(e.Candidates) == 0 {
			return errSaid
		}
	}
	return nil
}

// printLines tells where each service goes.
func printLines(w io.Writer, all []routing.Explanation) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, e := range all {
		if i == 0 {
			fmt.Fprintf(w, "%s at the balancer in %s\n\n", e.Client, e.From)
			fmt.Fprintln(table, "SERVICE\tREGION\tNODE\tADDRESS\tWHY")
		}
		fmt.Fprintf(table, "%s\t%s\n", e.Service, strings.Join(answer(e), "\t"))
	}
	return table.Flush()
}

// answer is region, node, address and reason of the first candidate.
func answer(e routing.Explanation) []string {
	if len(e.Candidates) == 0 {
		return []string{"-", "-", "-", e.Steps[len(e.Steps)-1].Says}
	}
	first := e.Candidates[0]
	return []string{first.Region, first.Node, dialled(first), why(first)}
}

// why names the group of a candidate and its chance in it.
func why(c routing.Candidate) string {
	if c.Of == 1 {
		return "the only node " + c.Why
	}
	return fmt.Sprintf("one of %d nodes %s, has %.3g %% of their weight", c.Of, c.Why, 100*c.Chance)
}

func dialled(c routing.Candidate) string {
	words := make([]string, len(c.Addresses))
	for i, a := range c.Addresses {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

func printSteps(w io.Writer, e routing.Explanation) {
	account := ""
	if e.Account != "" {
		account = ", account " + e.Account
	}
	fmt.Fprintf(w, "%s for %s%s, at the balancer in %s\n\n", e.Client, e.Service, account, e.From)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range e.Steps {
		fmt.Fprintf(table, "%s\t%s\n", s.About, s.Says)
	}
	table.Flush()
	for i, c := range e.Candidates {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(table, "%d.\t%s\t%s\t%s\t%s\n", i+1, c.Node, c.Region, dialled(c), why(c))
	}
	table.Flush()
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func clientAddress(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, errors.New("--client is missing: the address of a client")
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, fmt.Errorf("--client takes an IP address, not %q", text)
	}
	return a.Unmap().WithZone(""), nil
}

func liveServices(t *config.Topology) []string {
	var names []string
	for _, s := range t.Services {
		if s.Live {
			names = append(names, s.Name)
		}
	}
	return names
}

func serviceNamed(t *config.Topology, name string) ([]string, error) {
	if s := t.Service(name); s != nil {
		return []string{name}, nil
	}
	return nil, fmt.Errorf("no service %q; there are %s", name, strings.Join(liveServices(t), ", "))
}

// healthOf takes nodes, or all nodes of regions, to be down.
func healthOf(t *config.Topology, down []string) (map[config.Target]config.Health, error) {
	health := make(map[config.Target]config.Health)
	for _, name := range down {
		known := false
		for _, n := range slices.Concat(t.Nodes, t.Probed()) {
			if n.Name != name && n.Region != name {
				continue
			}
			known = true
			for _, s := range n.Services {
				health[config.Target{Node: n.Name, Service: s}] = config.Health{State: config.Down, Reason: "taken to be down"}
			}
		}
		if !known {
			return nil, fmt.Errorf("--down: no node and no region is called %q", name)
		}
	}
	return health, nil
}
