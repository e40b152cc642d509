package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"posthouse/config"
	"posthouse/routing"
)

type planCmd struct {
	Old    string   `arg:"" help:"The topology as it is."`
	New    string   `arg:"" help:"The topology as it would be."`
	Budget *float64 `placeholder:"PERCENT" help:"Exit with 2 if more than this part of the sessions of any pool would move."`
	JSON   bool     `name:"json" help:"Print JSON."`
}

func (planCmd) Help() string {
	return `Prints which nodes and services come, go and change, what each pool (a service in a region) gains or loses, and what
part of its sessions would move to another node. For client-hash and account-hash that is found by routing 10,000 clients
by both files; elsewhere only the sessions on nodes that leave must move, and their part is estimated by weight. For each
name that DNS answers by region: what part of the IPv4 networks would get another one. No node is asked: all count as up.

Example: posthouse plan running.yaml next.yaml --budget 20`
}

func (cmd planCmd) Run(c console) error {
	old, err := anyRegion(cmd.Old)
	if err != nil {
		return err
	}
	next, err := anyRegion(cmd.New)
	if err != nil {
		return err
	}
	step := newProgress(c.err)
	plan := routing.NewPlan(old, next, func(done float64) { step.at("routing clients by both files: %.0f %%", 100*done) })
	names, err := planNames(old, next, step)
	step.end()
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = printJSON(c.out, planned{plan, plan.Most(), names})
	} else {
		err = printPlan(c.out, plan, names)
	}
	if err != nil || cmd.Budget == nil || plan.Most() <= *cmd.Budget {
		return err
	}
	return overBudget{plan.Most(), *cmd.Budget}
}

// anyRegion loads a file for all its regions: where the balancer stands does not matter.
func anyRegion(path string) (*config.Topology, error) { return config.Load(path, config.Options{}) }

// planned is a plan as JSON has it.
type planned struct {
	routing.Plan
	Most  float64    `json:"most"`
	Names []namePlan `json:"names,omitempty"`
}

// overBudget ends a command with exitUsage.
type overBudget struct{ moves, budget float64 }

func (e overBudget) Error() string {
	return fmt.Sprintf("over budget: %s of a pool's sessions would move, %s are allowed", percent(e.moves), percent(e.budget))
}

func printPlan(w io.Writer, p routing.Plan, names []namePlan) error {
	if p.Nodes.Empty() && p.Services.Empty() && len(p.Pools)+len(names) == 0 {
		_, err := fmt.Fprintln(w, "no node, service, pool or name changes")
		return err
	}
	printDifferences(w, "nodes", p.Nodes)
	printDifferences(w, "services", p.Services)
	for _, held := range p.Held {
		fmt.Fprintf(w, "held      %s\n", held)
	}
	printPools(w, p)
	if len(names) > 0 && (len(p.Pools) > 0 || !p.Nodes.Empty() || !p.Services.Empty()) {
		fmt.Fprintln(w)
	}
	printNames(w, names)
	return nil
}

func printPools(w io.Writer, p routing.Plan) {
	if len(p.Pools) == 0 {
		return
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tREGION\tNODES\tCAPACITY\tSESSIONS THAT MOVE")
	for _, pool := range p.Pools {
		fmt.Fprintf(table, "%s\t%s\t%d -> %d\t%s\t%s\n", pool.Service, pool.Region, pool.Nodes.Before, pool.Nodes.After, growth(pool.Weight), move(pool))
	}
	table.Flush()
	if p.Same > 0 {
		fmt.Fprintf(w, "\n%s as before\n", count(p.Same, "pool"))
	}
}

// printDifferences prints a line for each way in which something differs.
func printDifferences(w io.Writer, what string, d config.Differences) {
	for _, line := range []struct {
		verb  string
		names []string
	}{{"added", d.Added}, {"removed", d.Removed}, {"moved", inWords(d.Moved)}, {"changed", inWords(d.Changed)}} {
		if len(line.names) > 0 {
			fmt.Fprintf(w, "%-9s %d %s: %s\n", what, len(line.names), line.verb, fewOf(line.names))
		}
	}
}

func inWords(all []config.Difference) []string {
	words := make([]string, len(all))
	for i, d := range all {
		words[i] = fmt.Sprintf("%s (%s)", d.Name, strings.Join(d.Changes, ", "))
	}
	return words
}

// fewOf names so many that a line can be read; --json has them all.
func fewOf(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func growth(c routing.Change) string {
	switch p := c.Percent(); {
	case p == 0:
		return "same"
	case math.IsInf(p, 1):
		return "new"
	default:
		return fmt.Sprintf("%+.3g %%", p)
	}
}

func move(p routing.PoolPlan) string {
	switch {
	case p.Tried > 0:
		return fmt.Sprintf("%s of %d clients tried", percent(p.Move), p.Tried)
	case p.Move == 0:
		return "none"
	}
	return percent(p.Move) + ", estimated by weight"
}

func percent(p float64) string { return fmt.Sprintf("%.3g %%", p) }
