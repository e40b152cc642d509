package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

const (
	// healthFile holds, inside state_dir, what probes knew last: a start is to send nobody to a node that was down a minute ago.
	healthFile = "health.json"

	rememberEvery = time.Minute      // more often, and large clusters write for nothing
	rememberFor   = 10 * time.Minute // what is older says nothing of now
)

// remembered is the content of the file.
type remembered struct {
	Saved   time.Time
	Targets []rememberedTarget
}

type rememberedTarget struct {
	config.Target
	At     []netip.AddrPort // a node that has moved is not known any more
	Health config.Health
}

// remember keeps what probes know until ctx ends, and at its end.
func (b *balancer) remember(ctx context.Context) error {
	tick := time.NewTicker(rememberEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if err := saveHealth(b.router.Table(), time.Now()); err != nil {
			b.log.Error("what probes know is lost at a restart", "event", "health-unsaved", "why", err.Error())
		}
	}
	return nil
}

func saveHealth(t *routing.Table, now time.Time) error {
	dir := t.File().StateDir
	if dir == "" {
		return nil
	}
	kept := remembered{Saved: now}
	for _, b := range t.Backends() {
		h := b.Health
		if h.State == config.Unknown || len(b.Addrs) == 0 {
			continue
		}
		h.Capabilities, h.Transcript, h.Count = nil, "", 0 // long, and seen again in a moment
		kept.Targets = append(kept.Targets, rememberedTarget{b.Target(), b.Addrs, h})
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return replaceFile(dir, healthFile, data)
}

// recall is what was known of the targets of a table that are where they were.
func recall(t *routing.Table, now time.Time) (map[config.Target]config.Health, error) {
	dir := t.File().StateDir
	if dir == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(dir, healthFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var kept remembered
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		return nil, fmt.Errorf("state_dir: what probes knew cannot be read: %w", err)
	}
	if age := now.Sub(kept.Saved); age < 0 || age > rememberFor {
		return nil, nil
	}
	at := make(map[config.Target][]netip.AddrPort)
	for _, b := range t.Backends() {
		at[b.Target()] = b.Addrs
	}
	known := make(map[config.Target]config.Health)
	for _, r := range kept.Targets {
		ours := r.Health.State <= config.Recovering // another version may have more
		if ours && slices.Equal(at[r.Target], r.At) && len(r.At) > 0 {
			h := settled(r.Health)
			h.Since, h.Recovered = steady(h.Since, now), steady(h.Recovered, now)
			known[r.Target] = h
		}
	}
	return known, nil
}

// settled takes a state that was in between for the one that it was about to leave.
func settled(h config.Health) config.Health {
	switch h.State {
	case config.Failing:
		h.State = config.Up
	case config.Recovering:
		h.State = config.Down
	}
	return h
}

// steady is a moment of the past as the clock counts that is never set: a node that came up an hour ago would begin its slow start again
// where the other clock is set back.
func steady(past, now time.Time) time.Time {
	if past.IsZero() {
		return past
	}
	return now.Add(past.Sub(now))
}
