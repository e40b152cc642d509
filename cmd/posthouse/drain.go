package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// subjectArgs name what a command is about.
type subjectArgs struct {
	Kind    string `arg:"" enum:"node,region,service" help:"node, region or service."`
	Name    string `arg:"" help:"Its name."`
	Service string `placeholder:"NAME" help:"Only this service of a node."`
}

// path is the subject's in the API.
func (s subjectArgs) path(verb string) string {
	return "/api/v1/" + s.Kind + "s/" + url.PathEscape(s.Name) + "/" + verb
}

func (s subjectArgs) String() string {
	if s.Service != "" {
		return fmt.Sprintf("%s %s --service %s", s.Kind, s.Name, s.Service)
	}
	return s.Kind + " " + s.Name
}

type drainCmd struct {
	Kind    string        `arg:"" enum:"node,region,service,process" help:"node, region or service; process ends the balancer as SIGTERM does."`
	Name    string        `arg:"" optional:"" help:"Its name."`
	Service string        `placeholder:"NAME" help:"Only this service of a node."`
	Within  time.Duration `default:"10m" help:"How long its sessions have."`
	Reason  string        `placeholder:"WORDS" help:"Why; for the event."`
	Detach  bool          `help:"Do not wait for the end."`
	JSON    bool          `name:"json" help:"Print what became of it as JSON."`
	adminFlags
}

func (drainCmd) Help() string {
	return `New sessions go elsewhere from now on. Sessions that are quiet are closed one by one, spread over the time, the rest at its
end. Progress is shown until it is done; Ctrl-C leaves the drain going. posthouse resume takes it back.

Example: posthouse drain node eu-imap-017 --within 10m --reason "new kernel"
Example: posthouse drain service smtp --within 1m --admin unix:/run/posthouse/admin.sock`
}

// drained is a drain as the API tells it.
type drained struct {
	ID       int64  `json:"id"`
	What     string `json:"what"`
	Within   string `json:"within"`
	State    string `json:"state"`
	By       string `json:"by,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Sessions int    `json:"sessions"`
	Open     int    `json:"open"`
	Left     int    `json:"left_by_themselves"`
	Quiet    int    `json:"closed_quiet"`
	Cut      int    `json:"cut"`
}

func (d drained) String() string {
	return fmt.Sprintf("%d left by themselves, %d closed quiet, %d cut", d.Left, d.Quiet, d.Cut)
}

const drainRunning = "running"

func (cmd drainCmd) Run(c console) error {
	path := "/api/v1/drain"
	if cmd.Kind != "process" {
		path = subjectArgs{cmd.Kind, cmd.Name, ""}.path("drain")
	}
	if (cmd.Kind == "process") != (cmd.Name == "") {
		return errors.New("say what: drain node NAME, region NAME, service NAME, or process")
	}
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var begun struct{ Drain drained }
	query := url.Values{"within": {cmd.Within.String()}}
	given(query, map[string]string{"service": cmd.Service, "reason": cmd.Reason})
	if err := client.ask(ctx, http.MethodPost, path, query, &begun); err != nil {
		return err
	}
	if cmd.Kind == "process" || cmd.Detach {
		return cmd.tell(c, begun.Drain, "drains within "+begun.Drain.Within)
	}
	return cmd.follow(ctx, client, c, begun.Drain)
}

// given sets the parameters that have a value.
func given(query url.Values, all map[string]string) {
	for key, value := range all {
		if value != "" {
			query.Set(key, value)
		}
	}
}

func (cmd drainCmd) tell(c console, d drained, words string) error {
	if cmd.JSON {
		return printJSON(c.out, d)
	}
	_, err := fmt.Fprintf(c.out, "%s: %s\n", d.What, words)
	return err
}

// follow shows progress until the drain has ended. An interrupt ends the showing only.
func (cmd drainCmd) follow(ctx context.Context, client *adminClient, c console, d drained) error {
	step := newProgress(c.err)
	defer step.end()
	tick := time.NewTicker(step.during)
	defer tick.Stop()
	began := time.Now()
	for d.State == drainRunning {
		step.at("%s: %d of %d sessions are left; %s; %s of %s", d.What, d.Open, d.Sessions, d, time.Since(began).Round(time.Second), cmd.Within)
		select {
		case <-ctx.Done():
			step.end()
			return cmd.tell(c, d, fmt.Sprintf("the drain goes on, %d sessions are left; posthouse resume %s stops it",
				d.Open, subjectArgs{cmd.Kind, cmd.Name, cmd.Service}))
		case <-tick.C:
		}
		next, err := drainByID(ctx, client, d.ID)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			return fmt.Errorf("the drain goes on unseen: %w", err)
		default:
			d = next
		}
	}
	step.end()
	if err := cmd.tell(c, d, fmt.Sprintf("%s after %s: %s", d.State, time.Since(began).Round(100*time.Millisecond), d)); err != nil || d.State == "ended" {
		return err
	}
	return errSaid
}

func drainByID(ctx context.Context, client *adminClient, id int64) (drained, error) {
	var all struct{ Drains []drained }
	if err := client.ask(ctx, http.MethodGet, "/api/v1/drains", nil, &all); err != nil {
		return drained{}, err
	}
	for _, d := range all.Drains {
		if d.ID == id {
			return d, nil
		}
	}
	return drained{}, errors.New("the balancer knows it no more: was it restarted?")
}

type resumeCmd struct {
	subjectArgs
	Reason string `placeholder:"WORDS" help:"Why; for the event."`
	JSON   bool   `name:"json" help:"Print JSON."`
	adminFlags
}

func (resumeCmd) Help() string {
	return `Takes back what drain has set and stops a drain that goes on. What the file drains stays drained.

Example: posthouse resume node eu-imap-017`
}

func (cmd resumeCmd) Run(c console) error {
	client, err := cmd.client()
	if err != nil {
		return err
	}
	defer client.close()
	var now struct {
		What      string `json:"what"`
		Changed   bool   `json:"changed"`
		State     string `json:"state"`
		FileState string `json:"file_state"`
	}
	query := url.Values{}
	given(query, map[string]string{"service": cmd.Service, "reason": cmd.Reason})
	if err := client.ask(context.Background(), http.MethodPost, cmd.path("resume"), query, &now); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(c.out, now)
	}
	words := []string{now.What + " is " + now.State}
	if !now.Changed {
		words = append(words, "there was no mark to take back")
	}
	if now.FileState != "active" {
		words = append(words, "the file says "+now.FileState)
	}
	_, err = fmt.Fprintln(c.out, strings.Join(words, "; "))
	return err
}
