package geodns

import (
	"posthouse/config"
	"posthouse/routing"
)

// strength is how the nodes of one region are for one service: of those that are active and have weight.
type strength struct {
	good       int // up, or nobody knows
	failing    int // up, but the last probes failed
	recovering int // down, but the last probes succeeded
}

// up says whether sessions find a node there.
func (s strength) up() bool { return s.good+s.failing > 0 }

// near says whether the next probes could make it another answer.
func (s strength) near() bool { return s.good == 0 && s.failing+s.recovering > 0 }

func (s *strength) count(state config.HealthState) {
	switch state {
	case config.Unknown, config.Up:
		s.good++
	case config.Failing:
		s.failing++
	case config.Recovering:
		s.recovering++
	}
}

type servedIn struct{ service, region string }

// strengths counts the nodes of a table. The state of what is Unknown is asked of known.
func strengths(t *routing.Table, known func(config.Target, config.Health) config.HealthState) map[servedIn]strength {
	all := make(map[servedIn]strength)
	for _, b := range t.Backends() {
		n, s := b.Node, b.Service
		if max(n.StateFor(s.Name), s.State) != config.Active || n.WeightFor(s.Name) <= 0 {
			continue
		}
		at := servedIn{s.Name, n.Region}
		counted := all[at]
		counted.count(known(b.Target(), b.Health))
		all[at] = counted
	}
	return all
}

// state is what a region can do for a host whose services stand there as of says.
func (h *Host) state(of func(service string) strength) State {
	now := h.serves(func(s string) bool { return of(s).up() })
	worst := h.serves(func(s string) bool { return of(s).up() && !of(s).near() })
	best := h.serves(func(s string) bool { return of(s).up() || of(s).near() })
	return State{Down: !now, Changing: worst != best}
}

// serves says whether all services of a host, or one where that is enough, are served.
func (h *Host) serves(served func(service string) bool) bool {
	for _, s := range h.Services {
		if served(s) == h.Any {
			return h.Any
		}
	}
	return !h.Any
}
