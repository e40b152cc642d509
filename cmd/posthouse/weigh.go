package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"
)

type weighCmd struct {
	Node    string `arg:"" optional:"" help:"The node; none: list the weights that are set."`
	Weight  *int   `arg:"" optional:"" help:"Its weight; 0: sessions only when all others are down."`
	Service string `placeholder:"NAME" help:"Only for this service of the node."`
	Undo    bool   `help:"The weight of the file counts again."`
	Reason  string `placeholder:"WORDS" help:"Why; for the event."`
	JSON    bool   `name:"json" help:"Print JSON."`
	adminFlags
}

func (weighCmd) Help() string {
	return `New sessions are divided by the new weight; those that are there stay. What is to last belongs into the file.

Example: posthouse weigh eu-imap-017 1 --service imaps --reason "slow disk"
Example: posthouse weigh eu-imap-017 --service imaps --undo`
}

// weighed is the answer to a change.
type weighed struct {
	What    string `json:"what"`
	Changed bool   `json:"changed"`
}

// marked is a mark as the API tells it: a drain, or a weight.
type marked struct {
	Kind   string    `json:"kind"`
	What   string    `json:"what"`
	Weight *int      `json:"weight,omitempty"`
	Since  time.Time `json:"since"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

func (cmd weighCmd) Run(c console) error {
	switch {
	case cmd.Node == "" && (cmd.Undo || cmd.Service != ""):
		return errors.New("say which node")
	case cmd.Node != "" && (cmd.Weight == nil) != cmd.Undo:
		return errors.New("say a weight, or --undo")
	}
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	if cmd.Node == "" {
		return cmd.list(c, client)
	}
	method, query := http.MethodDelete, url.Values{}
	if !cmd.Undo {
		method = http.MethodPost
		query.Set("weight", strconv.Itoa(*cmd.Weight))
	}
	given(query, map[string]string{"service": cmd.Service, "reason": cmd.Reason})
	var now weighed
	if err := client.ask(context.Background(), method, subjectArgs{"node", cmd.Node, ""}.path("weight"), query, &now); err != nil {
		return err
	}
	return cmd.tell(c, now)
}

func (cmd weighCmd) tell(c console, now weighed) error {
	words := "has the weight of the file again"
	switch {
	case cmd.JSON:
		return printJSON(c.out, now)
	case !cmd.Undo:
		words = fmt.Sprintf("has the weight %d", *cmd.Weight)
	case !now.Changed:
		words = "has the weight of the file; no other was set"
	}
	_, err := fmt.Fprintf(c.out, "%s %s\n", now.What, words)
	return err
}

func (cmd weighCmd) list(c console, client *adminClient) error {
	var all struct{ Marks []marked }
	if err := client.ask(context.Background(), http.MethodGet, "/api/v1/marks", nil, &all); err != nil {
		return err
	}
	weights := []marked{}
	for _, m := range all.Marks {
		if m.Weight != nil {
			weights = append(weights, m)
		}
	}
	if cmd.JSON {
		return printJSON(c.out, weights)
	}
	if len(weights) == 0 {
		_, err := fmt.Fprintln(c.out, "no weight but the file's")
		return err
	}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tWEIGHT\tSINCE\tBY\tREASON")
	for _, m := range weights {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", m.What, *m.Weight, m.Since.Format(time.RFC3339), legible(m.By), legible(m.Reason))
	}
	return table.Flush()
}
