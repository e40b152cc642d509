package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

type statusCmd struct {
	Watch bool `help:"Show it again every second, until Ctrl-C."`
	All   bool `help:"List every node, not only those that are not wholly up."`
	JSON  bool `name:"json" help:"Print JSON; with --watch an object a line."`
	adminFlags
}

func (statusCmd) Help() string {
	return `Services with what each region has and gets, nodes that are not wholly up, drains that go on, and who is denied.

Example: posthouse status --watch
Example: posthouse status --all --admin https://balancer.example.net:9070 --token-file token`
}

// statusNow is what a balancer says of itself, as far as the command shows it.
type statusNow struct {
	Services []struct {
		Name     string `json:"name"`
		State    string `json:"state"`
		Usable   bool   `json:"usable"`
		Sessions int64  `json:"sessions"`
		Nodes    int    `json:"nodes"`
		Up       int    `json:"up"`
		Regions  []struct {
			Region  string  `json:"region"`
			Weight  uint64  `json:"weight"`
			Healthy uint64  `json:"healthy"`
			Gets    float64 `json:"gets"`
		} `json:"regions"`
	} `json:"services"`
	Nodes   []statusNode `json:"nodes"`
	Drains  []drained    `json:"drains"`
	Denials []denial     `json:"denials"`
}

type statusNode struct {
	Name     string `json:"name"`
	Region   string `json:"region"`
	State    string `json:"state"`
	Sessions int64  `json:"sessions"`
	Services []struct {
		Name   string `json:"name"`
		State  string `json:"state"`
		Usable bool   `json:"usable"`
		Barred string `json:"barred,omitempty"`
		Reason string `json:"reason,omitempty"`
	} `json:"services"`
}

func (cmd statusCmd) Run(c console) error {
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !cmd.Watch {
		return cmd.once(ctx, client, c.out)
	}
	return cmd.watch(ctx, client, c)
}

func (cmd statusCmd) once(ctx context.Context, client *adminClient, w io.Writer) error {
	now, err := readStatus(ctx, client)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(w, now)
	}
	return cmd.print(w, now)
}

// watch shows a frame a second. On a terminal each replaces the one before.
func (cmd statusCmd) watch(ctx context.Context, client *adminClient, c console) error {
	const home, clear, hide, show = "\x1b[H", "\x1b[J", "\x1b[?25l\x1b[2J", "\x1b[?25h"
	screen := terminal(c.out) && !cmd.JSON
	if screen {
		io.WriteString(c.out, hide)
		defer io.WriteString(c.out, show)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var frame bytes.Buffer
		now, err := readStatus(ctx, client)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !screen:
			return err
		case err != nil:
			fmt.Fprintf(&frame, "%v\n", err) // it may come back
		case cmd.JSON:
			json.NewEncoder(&frame).Encode(now)
		default:
			fmt.Fprintf(&frame, "%s  %s\n\n", cmd.Admin, time.Now().Format(time.TimeOnly))
			cmd.print(&frame, now)
		}
		text := frame.String()
		if screen { // each line ends what stood there before
			text = home + strings.ReplaceAll(text, "\n", "\x1b[K\n") + clear
		}
		if _, err := io.WriteString(c.out, text); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func readStatus(ctx context.Context, client *adminClient) (now statusNow, err error) {
	for _, part := range []string{"services", "nodes", "drains", "deny"} {
		if err := client.ask(ctx, http.MethodGet, "/api/v1/"+part, nil, &now); err != nil {
			return now, err
		}
	}
	return now, nil
}

func (cmd statusCmd) print(w io.Writer, now statusNow) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tSTATE\tSESSIONS\tUP\tREGIONS")
	for _, s := range now.Services {
		var regions []string
		for _, r := range s.Regions {
			if r.Weight > 0 || r.Gets > 0 {
				regions = append(regions, fmt.Sprintf("%s %d/%d gets %.0f %%", r.Region, r.Healthy, r.Weight, 100*r.Gets))
			}
		}
		state := s.State
		if state == "active" && !s.Usable {
			state = "no node"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d of %d\t%s\n", s.Name, state, s.Sessions, s.Up, s.Nodes, strings.Join(regions, ", "))
	}
	table.Flush()
	cmd.printNodes(w, now.Nodes)
	for _, d := range now.Drains {
		if d.State == drainRunning {
			fmt.Fprintf(w, "\n%s drains within %s: %d of %d sessions are left; %s\n", d.What, d.Within, d.Open, d.Sessions, d)
		}
	}
	for _, d := range now.Denials {
		fmt.Fprintf(w, "\n%s is denied until %s %s\n", d.Prefix, d.Until.Format(time.RFC3339), legible(d.Reason))
	}
	return nil
}

// printNodes lists those that an operator would look for.
func (cmd statusCmd) printNodes(w io.Writer, nodes []statusNode) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	shown, well := 0, 0
	for _, n := range nodes {
		trouble := n.trouble()
		if trouble == "" && n.State == "active" && !cmd.All {
			well++
			continue
		}
		if shown == 0 {
			fmt.Fprintln(table, "\nNODE\tREGION\tSTATE\tSESSIONS\tSERVICES")
		}
		shown++
		if trouble == "" {
			trouble = "up"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", n.Name, n.Region, n.State, n.Sessions, trouble)
	}
	table.Flush()
	if well > 0 {
		fmt.Fprintf(w, "\n%s wholly up\n", count(well, "node"))
	}
}

// trouble is what is wrong with a node's services, "" for nothing. What many have in common is said once.
func (n statusNode) trouble() string {
	names := make(map[string][]string)
	var order []string
	for _, s := range n.Services {
		if s.Usable && s.State != "unknown" && s.Reason == "" {
			continue
		}
		why := s.State
		switch {
		case s.Barred != "":
			why = s.Barred
		case s.Reason != "":
			why += ": " + legible(s.Reason)
		}
		if names[why] == nil {
			order = append(order, why)
		}
		names[why] = append(names[why], s.Name)
	}
	var words []string
	for _, why := range order {
		words = append(words, strings.Join(names[why], ",")+" "+why)
	}
	return strings.Join(words, "; ")
}
