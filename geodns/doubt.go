package geodns

import (
	"fmt"
	"slices"
	"time"

	"posthouse/config"
)

// doubtFor is how long a loss of everything but ourselves is not believed. Longer, and clients are sent to regions that are gone; shorter,
// and a cut that only we see moves the whole world's clients here and back.
const doubtFor = 5 * time.Minute

// doubt is about the case that all other regions, two or more of them, fall within one round of probes while the own one is
// up: then it is more likely that we have lost the network than that they have.
type doubt struct {
	zones   *Zones
	regions []fall
	until   time.Time // zero: there is no doubt
	decided bool      // it was a doubt, and has lasted long enough
}

// fall is what is remembered of a region.
type fall struct {
	fallen bool
	at     time.Time // zero: it was so when we began
	before []State   // by host, while it had not fallen
}

// over says whether a doubt has just ended.
func (d *doubt) over(now time.Time) bool { return !d.until.IsZero() && !now.Before(d.until) }

// weigh puts the last states of the others into a view that is not to be believed. What it returns is to be said.
func (d *doubt) weigh(z *Zones, t *config.Topology, v *View, now time.Time) (verdict string) {
	if d.zones != z {
		d.move(z)
	}
	first, last, others := d.follow(t, v, now)
	switch {
	case others < 2:
		was := !d.until.IsZero()
		d.until, d.decided = time.Time{}, false
		if was {
			return "dns: other regions are back: no doubt any more"
		}
		return ""
	case d.decided:
		return ""
	case d.until.IsZero() && (first.IsZero() || last.Sub(first) > round(t)):
		return ""
	case d.until.IsZero():
		d.until = last.Add(doubtFor)
		verdict = fmt.Sprintf("dns: all %d other regions fell within %s: more likely our own network, their last state is kept for %s",
			others, last.Sub(first).Round(time.Millisecond), doubtFor)
	case d.over(now):
		d.until, d.decided = time.Time{}, true
		return "dns: the other regions are still down: believed now"
	}
	d.keep(t, v)
	return verdict
}

// move goes on with other zones: what is remembered of regions and hosts that are in both stays.
func (d *doubt) move(z *Zones) {
	regions := make([]fall, len(z.topology.Regions))
	for i, r := range z.topology.Regions {
		if d.zones == nil {
			break
		}
		j := slices.IndexFunc(d.zones.topology.Regions, func(old *config.Region) bool { return old.Name == r.Name })
		if j < 0 {
			continue
		}
		regions[i] = d.regions[j]
		if before := regions[i].before; before != nil {
			regions[i].before = carried(before, d.zones.Hosts, z.Hosts)
		}
	}
	d.zones, d.regions = z, regions
}

// carried is states by host, for other hosts; one that is new was up.
func carried(before []State, old, hosts []*Host) []State {
	states := make([]State, len(hosts))
	for i, h := range hosts {
		if j := slices.IndexFunc(old, func(o *Host) bool { return o.Name == h.Name }); j >= 0 {
			states[i] = before[j]
		}
	}
	return states
}

// follow notes which regions have fallen. others is how many beside the own one have, if all of them have and the own one
// has not, else 0; first and last are when.
func (d *doubt) follow(t *config.Topology, v *View, now time.Time) (first, last time.Time, others int) {
	all := true
	for i, r := range t.Regions {
		f := &d.regions[i]
		up, counts := d.up(v, i)
		switch {
		case !counts || r.State != config.Active:
			*f = fall{}
			continue
		case up:
			*f = fall{before: column(v, i)}
		case !f.fallen:
			f.fallen = true
			if f.before != nil {
				f.at = now
			}
		}
		switch {
		case r.Name == t.Region:
			all = all && up
		case up:
			all = false
		default:
			if others == 0 || f.at.Before(first) {
				first = f.at
			}
			if f.at.After(last) {
				last = f.at
			}
			others++
		}
	}
	if !all {
		return first, last, 0
	}
	return first, last, others
}

// up says whether a region can serve any host, and counts whether there is one that its nodes run.
func (d *doubt) up(v *View, region int) (up, counts bool) {
	for _, h := range d.zones.Hosts {
		if h.runs[region] {
			counts = true
			up = up || !v.States[h.Index][region].Down
		}
	}
	return up, counts
}

func column(v *View, region int) []State {
	states := make([]State, len(v.States))
	for i := range states {
		states[i] = v.States[i][region]
	}
	return states
}

// keep puts what was known before into a view, for a short time to live.
func (d *doubt) keep(t *config.Topology, v *View) {
	for i, r := range t.Regions {
		if f := d.regions[i]; r.Name != t.Region && f.fallen {
			for host, state := range f.before {
				v.States[host][i] = State{Down: state.Down, Changing: true}
			}
		}
	}
}

// round is the time in which every node of other regions is probed once.
func round(t *config.Topology) time.Duration {
	var longest time.Duration
	for _, s := range t.Services {
		if s.Live {
			longest = max(longest, s.Check.RemoteInterval+s.Check.Timeout)
		}
	}
	return longest
}
