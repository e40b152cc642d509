package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"
)

type reloadCmd struct {
	adminFlags
}

func (reloadCmd) Help() string {
	return `The balancer reads its topology file now, as on SIGHUP, and says what became of it. Exits with 1 if it was refused or held.

Example: posthouse reload`
}

func (cmd reloadCmd) Run(c console) error {
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	result, err := waiting(c, "reload", func() (result struct{ Result string }, err error) {
		return result, client.ask(context.Background(), http.MethodPost, "/api/v1/reload", nil, &result)
	})
	if err == nil {
		_, err = fmt.Fprintln(c.out, result.Result)
	}
	return err
}

type killCmd struct {
	Node    string `placeholder:"NAME" help:"Sessions on this node."`
	Region  string `placeholder:"NAME" help:"Sessions on nodes of this region."`
	Service string `placeholder:"NAME" help:"Sessions of this service."`
	Client  string `placeholder:"PREFIX" help:"Sessions of these clients: an address or a network."`
	Reason  string `placeholder:"WORDS" help:"Why; for the event."`
	JSON    bool   `name:"json" help:"Print JSON."`
	adminFlags
}

func (killCmd) Help() string {
	return `Ends the sessions that match all that is given, at once and without a goodbye. Clients may come back: see deny.

Example: posthouse kill --client 192.0.2.0/24 --service imaps`
}

func (cmd killCmd) Run(c console) error {
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	query := url.Values{}
	given(query, map[string]string{"node": cmd.Node, "region": cmd.Region, "service": cmd.Service, "client": cmd.Client})
	if len(query) == 0 {
		return errors.New("say which sessions: --node, --region, --service or --client; to end all, posthouse drain process")
	}
	given(query, map[string]string{"reason": cmd.Reason})
	var killed struct {
		Killed int `json:"killed"`
	}
	if err := client.ask(context.Background(), http.MethodDelete, "/api/v1/sessions", query, &killed); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(c.out, killed)
	}
	_, err = fmt.Fprintf(c.out, "%s ended\n", count(killed.Killed, "session"))
	return err
}

type denyCmd struct {
	Prefix string        `arg:"" optional:"" help:"An address or a network; none: list what is denied."`
	For    time.Duration `default:"1h" help:"How long."`
	Kill   bool          `help:"End the sessions that they have, too."`
	Lift   bool          `help:"Let them in again."`
	Reason string        `placeholder:"WORDS" help:"Why; for the event."`
	JSON   bool          `name:"json" help:"Print JSON."`
	adminFlags
}

func (denyCmd) Help() string {
	return `Keeps clients out of every service for a while. What is to last longer belongs into the file's deny.

Example: posthouse deny 192.0.2.0/24 --for 1h --kill --reason "password spraying"
Example: posthouse deny 192.0.2.0/24 --lift`
}

// denial is one as the API tells it.
type denial struct {
	Prefix string    `json:"prefix"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// denied is the answer to each of the three requests.
type denied struct {
	Denial  *denial  `json:"denial,omitempty"`
	Killed  int      `json:"killed"`
	Denials []denial `json:"denials"`
}

func (cmd denyCmd) Run(c console) error {
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	method, query := http.MethodGet, url.Values{}
	switch {
	case cmd.Prefix == "" && (cmd.Lift || cmd.Kill):
		return errors.New("say whom: an address or a network such as 192.0.2.0/24")
	case cmd.Lift:
		method = http.MethodDelete
	case cmd.Prefix != "":
		method = http.MethodPost
		query.Set("for", cmd.For.String())
		query.Set("kill", fmt.Sprint(cmd.Kill))
	}
	given(query, map[string]string{"prefix": cmd.Prefix, "reason": cmd.Reason})
	var now denied
	if err := client.ask(context.Background(), method, "/api/v1/deny", query, &now); err != nil {
		return err
	}
	return cmd.tell(c, method, now)
}

func (cmd denyCmd) tell(c console, method string, now denied) error {
	switch {
	case cmd.JSON:
		return printJSON(c.out, now)
	case now.Denial != nil:
		fmt.Fprintf(c.out, "%s is denied until %s", now.Denial.Prefix, now.Denial.Until.Format(time.RFC3339))
		if cmd.Kill {
			fmt.Fprintf(c.out, "; %s ended", count(now.Killed, "session"))
		}
		fmt.Fprintln(c.out)
	case method == http.MethodDelete:
		fmt.Fprintf(c.out, "%s may come again\n", cmd.Prefix)
	case len(now.Denials) == 0:
		fmt.Fprintln(c.out, "nobody is denied")
	default:
		table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "PREFIX\tUNTIL\tBY\tREASON")
		for _, d := range now.Denials {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", d.Prefix, d.Until.Format(time.RFC3339), legible(d.By), legible(d.Reason))
		}
		return table.Flush()
	}
	return nil
}
