package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

// observe prints what the balancer of each region finds out about its own nodes. All balancers probe all nodes; to
// print what each of them sees would say everything three times.
func (d *demo) observe(ctx context.Context) error {
	down := make(map[string]bool)
	for pause(ctx, 500*time.Millisecond) {
		for _, r := range d.cluster.regions {
			d.observeRegion(r.name, d.balancers[r.name].router.Table(), down)
		}
	}
	return nil
}

func (d *demo) observeRegion(region string, table *routing.Table, down map[string]bool) {
	var lost, back []string
	reason := ""
	for _, n := range table.Topology().Nodes {
		if n.Region != region {
			continue
		}
		switch why, state := nodeState(table, n); {
		case state == config.Down && !down[n.Name]:
			lost, reason, down[n.Name] = append(lost, n.Name), why, true
		case state == config.Up && down[n.Name]:
			back, down[n.Name] = append(back, n.Name), false
		}
	}
	if lost != nil {
		d.events.bad(region, "probes: %s down (%s)", strings.Join(lost, ", "), clip(strings.TrimPrefix(reason, "connect: "), 24))
	}
	if back != nil {
		d.events.good(region, "probes: %s up", strings.Join(back, ", "))
	}
}

// nodeState is Down when all services of a node are, Up when all of them are usable, and Unknown in between.
func nodeState(table *routing.Table, n *config.Node) (reason string, state config.HealthState) {
	down := 0
	for _, service := range n.Services {
		if h := table.Health(config.Target{Node: n.Name, Service: service}); !h.State.Usable() {
			down++
			reason = h.Reason
		}
	}
	switch down {
	case 0:
		return "", config.Up
	case len(n.Services):
		return reason, config.Down
	}
	return "", config.Unknown
}

// clip keeps a reason to its line; the log has all of it.
func clip(text string, width int) string {
	if len(text) <= width {
		return text
	}
	return text[:width-3] + "..."
}

// follow applies what the topology file becomes to all balancers, and prints it.
func (d *demo) follow(ctx context.Context) error {
	watcher := &config.Watcher{Path: d.source.Path, Log: slog.New(d.log), Known: d.source}
	return watcher.Run(ctx, d.reload)
}

func (d *demo) reload(source config.Source) {
	var changes []string
	for _, r := range d.cluster.regions {
		topology, err := d.parse(source, r)
		if err != nil {
			d.events.bad("file", "refused: %s", firstProblem(err.Error()))
			return
		}
		b := d.balancers[r.name]
		if lost := config.Shrink(b.Topology(), topology); lost != nil {
			d.events.bad("file", "held, max_shrink: 1 lets it through: %s", firstProblem(strings.Join(lost, "\n")))
			return
		}
		changes = topologyChanges(b.Topology(), topology)
		if err := b.Apply(topology); err != nil {
			d.events.bad("file", "refused: %v", err)
			return
		}
	}
	if len(changes) > 0 {
		d.events.good("file", "reloaded: %s", strings.Join(changes, "; "))
	}
}

// firstProblem is the first of several lines and how many more there are.
func firstProblem(all string) string {
	first, more, found := strings.Cut(all, "\n")
	if !found {
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, 1+strings.Count(more, "\n"))
}

// topologyChanges says in words what an edit of the demo's file did, one phrase a node or region.
func topologyChanges(old, new *config.Topology) []string {
	var changes []string
	for _, n := range new.Nodes {
		if before := old.Node(n.Name); before == nil {
			changes = append(changes, n.Name+" added")
		} else {
			changes = append(changes, nodeChanges(before, n)...)
		}
	}
	for _, n := range old.Nodes {
		if new.Node(n.Name) == nil {
			changes = append(changes, n.Name+" removed")
		}
	}
	for _, r := range new.Regions {
		if before := old.RegionNamed(r.Name); before != nil && before.State != r.State {
			changes = append(changes, fmt.Sprintf("region %s %s", r.Name, r.State))
		}
	}
	if changes == nil {
		return []string{"other settings"}
	}
	return changes
}

func nodeChanges(old, new *config.Node) (changes []string) {
	if old.State != new.State {
		changes = append(changes, fmt.Sprintf("%s %s", new.Name, new.State))
	}
	if old.Weight != new.Weight {
		changes = append(changes, fmt.Sprintf("%s weight %d -> %d", new.Name, old.Weight, new.Weight))
	}
	if !slices.Equal(old.Services, new.Services) {
		changes = append(changes, fmt.Sprintf("%s runs %s", new.Name, strings.Join(new.Services, " ")))
	}
	return changes
}
