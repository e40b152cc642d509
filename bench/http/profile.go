//go:build linux

package main

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

// profile lets perf watch Posthouse under one row's load, and prints the most expensive functions.
func (b *bench) profile(w io.Writer, file string) error {
	for _, r := range b.rows() {
		if !b.only.MatchString(r.name) {
			continue
		}
		return b.profileRow(w, r, file)
	}
	return fmt.Errorf("no row to profile")
}

// profileRow profiles the first row that was asked for: by default small requests.
func (b *bench) profileRow(w io.Writer, r *row, file string) error {
	p, err := b.peer(kinds[0], r.variant)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	watched := make(chan error, 1)
	go func() { watched <- measure.Profile(ctx, p.pids(), file) }()
	b.duration = profileTime
	s, err := r.run(b, p, &r.work)
	stop()
	if perfErr := <-watched; perfErr != nil {
		return perfErr
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %.2f %s a request, %.0f a second; perf report -i %s\n", r.name, s.cost*r.scale, r.unit, s.rate, file)
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
