package healthcheck

import (
	"net/netip"
	"strconv"
	"time"

	"posthouse/config"
)

// firstSpread is the time over which the first probes of new targets are spread.
const firstSpread = time.Second

// place is what a target must keep to keep its state.
type place struct {
	config.Target
	host  string
	addrs [2]netip.Addr
	port  uint16
}

// update replaces the schedule by that of a new topology, keeping what is the same in both.
func (r *rounds) update(t *config.Topology, now time.Time) {
	old, oldTargets, handshakes := r.bySpec, r.targets, 0
	r.bySpec, r.targets = make(map[spec]*probe), make(map[place]*target)
	r.byTarget = make(map[config.Target]*probe)
	for _, want := range plan(t) {
		p := old[want.spec]
		delete(old, want.spec)
		if p == nil {
			p = newProbe(want)
			if want.spec.tls {
				handshakes++
			}
		}
		r.bySpec[want.spec] = p
		p.sources, p.targets = want.sources, nil
		for _, w := range want.targets {
			r.adopt(p, w, oldTargets)
		}
	}
	r.eager = handshakes <= eagerTLS
	for _, p := range old {
		p.gone = true
		r.probes.remove(&p.entry)
	}
	r.updateHosts(now)
	for _, p := range r.bySpec {
		r.enter(p, now)
	}
	r.retell()
	r.Metrics.retain(r.targets)
	r.oddities.forget(r.byTarget)
}

// retell says again what was said of targets and addresses that stay. Between two topologies that have them there may have been one
// without them, which only the router saw: it has forgotten, and nothing else would tell it again.
func (r *rounds) retell() {
	told := make(map[string]bool)
	for _, p := range r.bySpec {
		if p.spec.host != "" && len(p.addrs) > 0 && !told[p.spec.node] && r.Resolved != nil {
			told[p.spec.node] = true
			r.Resolved(p.spec.node, p.addrs)
		}
		for _, t := range p.targets {
			if t.told {
				r.Report(t.id, t.health)
			}
		}
	}
}

func newProbe(want *planned) *probe {
	s := want.spec
	p := &probe{spec: s, phase: phase(s.node + "\x00" + strconv.Itoa(int(s.port)) + string(s.protocol) + s.ask.path)}
	p.entry.probe = p
	for _, a := range s.addrs {
		if a.IsValid() {
			p.addrs = append(p.addrs, a)
		}
	}
	return p
}

// adopt gives a probe the target that it is for, with the state of old if there was one.
func (r *rounds) adopt(p *probe, w wanted, old map[place]*target) {
	at := place{w.id, p.spec.host, p.spec.addrs, p.spec.port}
	t := old[at]
	if t == nil {
		t = r.recalled(w.id)
	}
	t.wanted = w
	r.targets[at] = t
	r.byTarget[w.id] = p
	p.targets = append(p.targets, t)
}

// recalled is a new target with what an earlier run knew of it, once: when it leaves and comes back it is another one.
func (r *rounds) recalled(id config.Target) *target {
	h, known := r.Known[id]
	if !known {
		return &target{}
	}
	delete(r.Known, id)
	return &target{
		streak: streak{state: h.State, since: h.Since, recovered: h.Recovered},
		health: h, told: true, greeting: h.Greeting,
	}
}

// enter schedules the first round of a probe that is new, or that has only now got an address.
func (r *rounds) enter(p *probe, now time.Time) {
	if p.index == 0 && !p.inFlight && len(p.addrs) > 0 {
		r.probes.schedule(&p.entry, now.Add(time.Duration(p.phase*float64(firstSpread))))
	}
}
