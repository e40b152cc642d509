//go:build linux

package beside

import (
	"context"
	"fmt"
	"io/fs"
	"os"
)

// Contest is one run of a benchmark.
type Contest[V comparable] struct {
	Kinds     []*Kind[V] // ours is the first
	Templates fs.FS
	Settings  func(*Server[V]) any   // what a template is filled with
	Answers   func(*Server[V]) error // nil once a node has answered through the server
	Rows      []*Row[V]              // in the order of the table
	Facts     string                 // for the report, beside the machine's
	Site      *Site

	running map[string]*Server[V] // by kind and variant
	results results
	broken  []error
}

// Row is work that the servers do in turn.
type Row[V comparable] struct {
	Lines   []Line // of the table
	Variant V
	Fresh   bool                               // by servers that have done nothing else: memory that was borrowed for other work would hide what this work needs
	Before  func() error                       // once a round; nil: nothing
	Run     func(*Server[V]) ([]Sample, error) // a sample for each line
}

// Line is what the table says about one thing.
type Line struct {
	Name, Unit string
	Goal       Goal
}

// Sample is what one measurement gave.
type Sample struct {
	Cost     float64 // in the line's unit; less is better
	Rate     float64 // a second; 0: not known, as what follows
	P50, P99 float64 // latency in µs
	P999     float64 // not in the tables
	Busy     float64 // share of the time that the server was on its core
}

func (c *Contest[V]) leaveOutMissing() {
	kept := c.Kinds[:0:0]
	for _, k := range c.Kinds {
		if k.here(c.Site) {
			kept = append(kept, k)
		} else {
			fmt.Printf("%s is not installed, and is left out.\n", k.Name)
		}
	}
	c.Kinds = kept
}

func (c *Contest[V]) close() {
	for _, p := range c.running {
		p.Stop()
	}
}

// run measures all rows, round by round, until ctx ends.
func (c *Contest[V]) run(ctx context.Context) error {
	for round := range c.Site.Rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, c.Site.Rounds)
		for _, r := range c.Rows {
			if !c.wanted(r) {
				continue
			}
			if err := c.row(ctx, r, round); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Contest[V]) wanted(r *Row[V]) bool {
	for _, l := range r.Lines {
		if c.Site.Only.MatchString(l.Name) {
			return true
		}
	}
	return false
}

// row lets the servers take turns at it. Each is the first one in its turn.
func (c *Contest[V]) row(ctx context.Context, r *Row[V], round int) error {
	if r.Before != nil {
		if err := r.Before(); err != nil {
			c.fail(fmt.Errorf("%s: %w", r.Lines[0].Name, err))
			return nil
		}
	}
	for i := range c.Kinds {
		k := c.Kinds[(round+i)%len(c.Kinds)]
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.one(r, k); err != nil {
			c.fail(fmt.Errorf("%s: %s: %w", r.Lines[0].Name, k.Name, err))
		}
	}
	return nil
}

// fail keeps what does not work: the other rows go on.
func (c *Contest[V]) fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	c.broken = append(c.broken, err)
}

// one is one row, one server.
func (c *Contest[V]) one(r *Row[V], k *Kind[V]) error {
	p, err := c.server(r, k)
	if err != nil {
		return err
	}
	samples, err := r.Run(p)
	if r.Fresh || err != nil { // what has failed is in an unknown state
		p.Stop()
		delete(c.running, key(k, r.Variant))
	}
	if err != nil {
		return err
	}
	for i, s := range samples {
		c.results.add(r.Lines[i].Name, k.Name, s)
	}
	return nil
}

// server starts one for every fresh row, else when it is needed for the first time.
func (c *Contest[V]) server(r *Row[V], k *Kind[V]) (*Server[V], error) {
	if r.Fresh {
		return c.Start(k, r.Variant)
	}
	if p := c.running[key(k, r.Variant)]; p != nil {
		return p, nil
	}
	p, err := c.Start(k, r.Variant)
	if err == nil {
		c.running[key(k, r.Variant)] = p
	}
	return p, err
}

func key[V comparable](k *Kind[V], v V) string { return fmt.Sprint(k.Name, v) }
