package geodns

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

// Health makes the View of a routing table. What it knows beside the table: how the public addresses are, which get no sessions
// and so are no part of it; what was known when the program ended last; and when a loss is too large to be believed.
type Health struct {
	Log     *slog.Logger
	Changed func() // the next View may be another; called from any goroutine, and does not block

	// Kept is what Keep was given last, in the run before this one; nil: nothing. Both may be nil.
	Kept func(dir string) ([]byte, error)
	Keep func(dir string, data []byte) error

	mu     sync.Mutex // guards the following
	dir    string     // the topology's state_dir
	fronts map[config.Target]config.Health
	probed *config.Topology // whose addresses are in fronts
	doubt  doubt
	memory memory
	unkept bool // it was said that memory cannot be written
}

// Report takes the health of a public address and says whether the target is one.
func (h *Health) Report(target config.Target, now config.Health) bool {
	if !strings.HasPrefix(target.Node, "address/") {
		return false
	}
	h.mu.Lock()
	if h.fronts == nil {
		h.fronts = make(map[config.Target]config.Health)
	}
	before := h.fronts[target]
	h.fronts[target] = now
	h.mu.Unlock()
	if before.State != now.State {
		h.Changed()
	}
	return true
}

// View is what the regions can do as a table says. The zones are of the same topology.
func (h *Health) View(z *Zones, t *routing.Table) *View {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dir = t.Topology().StateDir
	h.forget(t.Topology())
	h.recall()
	v := h.raw(z, t)
	h.tell(h.doubt.weigh(z, t.Topology(), v, time.Now()))
	h.memory.note(t, h.fronts)
	return v
}

// tell says what was thought of a doubt, if anything was. The caller holds mu.
func (h *Health) tell(verdict string) {
	switch {
	case verdict == "":
	case h.doubt.until.IsZero():
		h.Log.Warn(verdict, "event", "dns-doubt-over")
	default:
		h.Log.Warn(verdict, "event", "dns-doubt")
	}
}

// doubts says whether a loss is not believed for the time being.
func (h *Health) doubts(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return now.Before(h.doubt.until)
}

// Run keeps what is known in the topology's state_dir until ctx ends, and asks for another View when a doubt ends.
func (h *Health) Run(ctx context.Context) error {
	ticker := time.NewTicker(savePause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			h.save()
			return nil
		case now := <-ticker.C:
			h.save()
			h.mu.Lock()
			over := h.doubt.over(now)
			h.mu.Unlock()
			if over {
				h.Changed()
			}
		}
	}
}

// forget drops the addresses that a topology does not have. The caller holds mu.
func (h *Health) forget(t *config.Topology) {
	if t == h.probed {
		return
	}
	h.probed = t
	probed := make(map[string]bool)
	for _, n := range t.Probed() {
		probed[n.Name] = true
	}
	maps.DeleteFunc(h.fronts, func(target config.Target, _ config.Health) bool { return !probed[target.Node] })
}

// recall reads what the run before this one has kept. The caller holds mu.
func (h *Health) recall() {
	if h.memory.read || h.dir == "" || h.Kept == nil {
		return
	}
	data, err := h.Kept(h.dir)
	if err == nil {
		err = h.memory.recall(h.dir, data)
	}
	if err != nil {
		h.memory.read = true
		h.Log.Warn("state_dir: the last health is not known, all nodes begin as up", "why", err.Error())
	}
}

// savePause is how often a change is written: a node that comes and goes is not worth a write each time.
const savePause = 3 * time.Second

// save writes what is not written yet. What fails is tried again, and said once.
func (h *Health) save() {
	h.mu.Lock()
	dir, data := h.dir, h.memory.unsaved(h.dir)
	h.mu.Unlock()
	if data == nil || h.Keep == nil {
		return
	}
	err := h.Keep(dir, data)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.unkept = false
		return
	}
	h.memory.in = ""
	if !h.unkept {
		h.unkept = true
		h.Log.Warn("state_dir: health is not remembered", "why", err.Error())
	}
}

// raw is the View of what the probes say, believed as it is.
func (h *Health) raw(z *Zones, t *routing.Table) *View {
	topology := t.Topology()
	v := &View{States: make([][]State, len(z.Hosts)), Addresses: make([][]netip.Addr, len(topology.Regions))}
	at := strengths(t, h.memory.state)
	for _, host := range z.Hosts {
		states := make([]State, len(topology.Regions))
		for i, r := range topology.Regions {
			states[i] = h.state(topology, at, host, i, r)
		}
		v.States[host.Index] = states
	}
	for i, r := range topology.Regions {
		v.Addresses[i] = h.good(t, r)
	}
	return v
}

func (h *Health) state(t *config.Topology, at map[servedIn]strength, host *Host, i int, r *config.Region) State {
	switch {
	case !host.runs[i]:
		return State{Down: true}
	case r.State != config.Active:
		return State{Down: true, Changing: r.State == config.Drain}
	case r.Name != t.Region && r.Reach == config.ReachNone:
		return host.state(func(service string) strength { return h.front(t, r, service) })
	}
	return host.state(func(service string) strength { return at[servedIn{service, r.Name}] })
}

// front is how a region stands whose nodes are not for us to probe: as its public addresses do.
func (h *Health) front(t *config.Topology, r *config.Region, service string) strength {
	var s strength
	for _, a := range r.Addresses {
		target := config.Target{Node: t.Front(r, a), Service: service}
		s.count(h.memory.state(target, h.fronts[target]))
	}
	return s
}

// good is the addresses of a region that answer on any of their ports; nil: none is known to be worse than the others.
func (h *Health) good(t *routing.Table, r *config.Region) []netip.Addr {
	var good []netip.Addr
	for _, a := range r.Addresses {
		if h.answers(t, r, a) {
			good = append(good, a)
		}
	}
	if len(good) == len(r.Addresses) {
		return nil
	}
	return good
}

func (h *Health) answers(t *routing.Table, r *config.Region, a netip.Addr) bool {
	asked := false
	for _, s := range t.Topology().Services {
		target := config.Target{Node: t.Topology().Front(r, a), Service: s.Name}
		known, probed := h.fronts[target]
		if !probed {
			known = t.Health(target)
		}
		switch h.memory.state(target, known) {
		case config.Up, config.Failing:
			return true
		case config.Down, config.Recovering:
			asked = true
		}
	}
	return !asked
}
