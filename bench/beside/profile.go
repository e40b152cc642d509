//go:build linux

package beside

import (
	"context"
	"fmt"
	"io"
	"time"

	"posthouse/bench/measure"
)

const (
	profileTime  = 5 * time.Second
	profileLines = 45
)

// profile lets perf watch Posthouse under the load of the first row that was asked for, and prints the most expensive functions.
func (c *Contest[V]) profile(w io.Writer, file string) error {
	for _, r := range c.Rows {
		if c.wanted(r) {
			return c.profileRow(w, r, file)
		}
	}
	return fmt.Errorf("no row to profile")
}

func (c *Contest[V]) profileRow(w io.Writer, r *Row[V], file string) error {
	if r.Before != nil {
		if err := r.Before(); err != nil {
			return err
		}
	}
	p, err := c.server(r, c.Kinds[0])
	if err != nil {
		return err
	}
	defer p.Stop()
	delete(c.running, key(c.Kinds[0], r.Variant))
	ctx, stop := context.WithCancel(context.Background())
	watched := make(chan error, 1)
	go func() { watched <- measure.Profile(ctx, p.PIDs(), file) }()
	c.Site.Time = profileTime
	samples, err := r.Run(p)
	stop()
	if perfErr := <-watched; perfErr != nil {
		return perfErr
	}
	if err != nil {
		return err
	}
	for i, s := range samples {
		fmt.Fprintf(w, "%s: %s %s, %.0f a second; perf report -i %s\n", r.Lines[i].Name, measure.Number(s.Cost), r.Lines[i].Unit, s.Rate, file)
	}
	return hottest(w, file)
}

func hottest(w io.Writer, file string) error {
	for _, called := range []bool{false, true} {
		lines, err := measure.Hottest(file, called, profileLines)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\nfunctions, %s\n", map[bool]string{false: "by themselves", true: "with what they call"}[called])
		for _, l := range lines {
			fmt.Fprintln(w, l)
		}
	}
	return nil
}
