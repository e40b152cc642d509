package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"posthouse/config"
	"posthouse/healthcheck"
)

type doctorCmd struct {
	Config string `required:"" placeholder:"PATH" help:"The topology: a YAML file, or a directory of them."`
	Region string `env:"POSTHOUSE_REGION" placeholder:"NAME" help:"Where the balancer stands; wins over the file."`
	JSON   bool   `name:"json" help:"Print JSON, with what was said."`
}

func (doctorCmd) Help() string {
	return `Connects to every node as serve would, from this machine, and names what is wrong: a PROXY header that is expected and not
sent or sent and not expected, a ban, certificates, the wrong protocol on a port, capabilities that differ, and so on.
Where a probe fails the node is asked in other ways too. Exits with 1 if a node cannot serve what the topology says.

Example: posthouse doctor --config topology.yaml`
}

// examination is what doctor prints as JSON.
type examination struct {
	Probes   int                   `json:"probes"`
	Findings []healthcheck.Finding `json:"findings"`
}

func (cmd doctorCmd) Run(c console) error {
	topology, err := config.Load(cmd.Config, config.Options{Region: cmd.Region})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	step := newProgress(c.err)
	found, probes := healthcheck.Examine(ctx, topology, version(), func(done, of int) { step.at("%d of %d probes", done, of) })
	step.end()
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted")
	}
	if cmd.JSON {
		err = printJSON(c.out, examination{probes, append([]healthcheck.Finding{}, found...)})
	} else {
		err = printFindings(c.out, found, probes)
	}
	for _, f := range found {
		if err == nil && !f.Warning {
			err = errSaid
		}
	}
	return err
}

func printFindings(w io.Writer, found []healthcheck.Finding, probes int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	faults, warnings := 0, 0
	for i, f := range found {
		if i == 0 {
			fmt.Fprintln(table, "NODE\tPORT\tSERVICES\t\tFINDING")
		}
		grade := "fault"
		if f.Warning {
			grade = "warning"
			warnings++
		} else {
			faults++
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", f.Node, f.Port, strings.Join(f.Services, ","), grade, legible(f.Says))
	}
	table.Flush()
	if len(found) > 0 {
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintf(w, "%s, %s, %s\n", count(probes, "probe"), count(faults, "fault"), count(warnings, "warning"))
	return err
}
