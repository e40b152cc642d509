//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"posthouse/bench/measure"
)

// report prints the tables, and in one line what we lose.
func (b *bench) report(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", b.machine)
	fmt.Fprintf(w, "server on core %d, load and %d nodes on core %d; medians of %d rounds of %v; CPU time by the scheduler's count over all threads\n\n",
		b.serverCore, nodeCount, b.loadCore, b.rounds, b.duration)
	b.costs(w)
	fmt.Fprintf(w, "\nRequests a second · median and 99th percentile of the latency in µs · share of the core\n\n")
	b.beside(w)
	for _, err := range b.broken {
		fmt.Fprintf(w, "\ndoes not work: %v\n", err)
	}
}

// costs is the table of CPU time and memory.
func (b *bench) costs(w io.Writer) {
	t := measure.Table{Head: []string{"work", "unit"}}
	for _, k := range kinds {
		t.Head = append(t.Head, k.name)
	}
	t.Head = append(t.Head, "our spread", "ratio", "goal", "")
	var lost []string
	for _, l := range b.lines() {
		ours := b.of(l.name, kinds[0]).cost
		var peers []measure.Figures
		for _, k := range kinds[1:] {
			peers = append(peers, b.of(l.name, k).cost)
		}
		ratio, word := measure.Verdict(ours, peers, l.goal)
		if word == "LOST" {
			lost = append(lost, fmt.Sprintf("%s (%.2f)", l.name, ratio))
		}
		cells := []string{l.name, l.unit}
		for _, f := range append([]measure.Figures{ours}, peers...) {
			cells = append(cells, measure.Number(f.Median()))
		}
		t.Add(append(cells, percent(ours.Spread()), ratioText(ratio), goalText(l.goal), word)...)
	}
	t.Print(w)
	if len(lost) > 0 {
		fmt.Fprintf(w, "\nLost: %s\n", strings.Join(lost, ", "))
	} else {
		fmt.Fprintf(w, "\nNothing that has a goal is lost.\n")
	}
}

// line is what the table says about one thing.
type line struct {
	name, unit string
	goal       float64
}

// lines are those that were measured.
func (b *bench) lines() (all []line) {
	for _, r := range b.rows() {
		all = append(all, line{r.name, r.unit, r.goal})
	}
	for _, prefix := range []string{"", overTLS} {
		all = append(all, line{prefix + streamsProcess, "KiB", 0}, line{prefix + streamsAll, "KiB", 0})
	}
	kept := all[:0]
	for _, l := range all {
		if b.measured(l.name) {
			kept = append(kept, l)
		}
	}
	return kept
}

func (b *bench) measured(name string) bool {
	for _, k := range kinds {
		if len(b.of(name, k).cost) > 0 {
			return true
		}
	}
	return false
}

// beside is the table of rates and latencies.
func (b *bench) beside(w io.Writer) {
	t := measure.Table{Head: []string{"work"}}
	for _, k := range kinds {
		t.Head = append(t.Head, k.name)
	}
	for _, r := range b.rows() {
		if !b.measured(r.name) {
			continue
		}
		cells := []string{r.name}
		for _, k := range kinds {
			s := b.of(r.name, k)
			cells = append(cells, fmt.Sprintf("%s · %s / %s · %s",
				measure.Number(s.rate.Median()), measure.Number(s.p50.Median()), measure.Number(s.p99.Median()), percent(s.busy.Median())))
		}
		t.Add(cells...)
	}
	t.Print(w)
}

func percent(share float64) string {
	if math.IsNaN(share) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", share*100)
}

func goalText(goal float64) string {
	if goal == 0 {
		return ""
	}
	return fmt.Sprintf("≤ %.2f", goal)
}

func ratioText(ratio float64) string {
	if math.IsNaN(ratio) {
		return "–"
	}
	return fmt.Sprintf("%.2f", ratio)
}
