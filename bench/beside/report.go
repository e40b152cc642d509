//go:build linux

package beside

import (
	"fmt"
	"io"
	"strings"

	"posthouse/bench/measure"
)

// report prints the tables, and in one line what we lose.
func (c *Contest[V]) report(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", c.Site.machine)
	fmt.Fprintf(w, "server on core %d, load and nodes on core %d; medians of %d rounds of %v; CPU time by the scheduler's count over all threads\n%s\n",
		c.Site.ServerCore, c.Site.LoadCore, c.Site.Rounds, c.Site.Time, c.Facts)
	c.costs(w)
	fmt.Fprintf(w, "\nA second · median and 99th percentile of the latency in µs · share of the core\n\n")
	c.beside(w)
	for _, err := range c.broken {
		fmt.Fprintf(w, "\ndoes not work: %v\n", err)
	}
}

// costs is the table of CPU time and memory.
func (c *Contest[V]) costs(w io.Writer) {
	t := measure.Table{Head: append(append([]string{"work", "unit"}, c.names()...), "our spread", "ratio", "goal", "")}
	var lost []string
	for _, l := range c.measured() {
		cells := []string{l.Name, l.Unit}
		peers := map[string]measure.Figures{}
		for _, k := range c.Kinds {
			f := c.results.of(l.Name, k.Name).cost
			cells = append(cells, measure.Number(f.Median()))
			if !k.Ours {
				peers[k.Name] = f
			}
		}
		ours := c.results.of(l.Name, c.Kinds[0].Name).cost
		ratio, word := l.Goal.verdict(ours, peers)
		if word == "LOST" {
			lost = append(lost, fmt.Sprintf("%s (%s)", l.Name, ratioText(ratio)))
		}
		t.Add(append(cells, percent(ours.Spread()), ratioText(ratio), l.Goal.words(l.Unit), word)...)
	}
	t.Print(w)
	if len(lost) > 0 {
		fmt.Fprintf(w, "\nLost: %s\n", strings.Join(lost, ", "))
	} else {
		fmt.Fprintf(w, "\nNothing that has a goal is lost.\n")
	}
}

func (c *Contest[V]) names() (all []string) {
	for _, k := range c.Kinds {
		all = append(all, k.Name)
	}
	return all
}

// measured are the lines that have a figure.
func (c *Contest[V]) measured() (all []Line) {
	for _, r := range c.Rows {
		for _, l := range r.Lines {
			for _, k := range c.Kinds {
				if len(c.results.of(l.Name, k.Name).cost) > 0 {
					all = append(all, l)
					break
				}
			}
		}
	}
	return all
}

// beside is the table of rates and latencies.
func (c *Contest[V]) beside(w io.Writer) {
	t := measure.Table{Head: append([]string{"work"}, c.names()...)}
	for _, l := range c.measured() {
		cells, known := []string{l.Name}, false
		for _, k := range c.Kinds {
			s := c.results.of(l.Name, k.Name)
			known = known || len(s.rate) > 0
			cells = append(cells, fmt.Sprintf("%s · %s / %s · %s",
				measure.Number(s.rate.Median()), measure.Number(s.p50.Median()), measure.Number(s.p99.Median()), percent(s.busy.Median())))
		}
		if known {
			t.Add(cells...)
		}
	}
	t.Print(w)
}
