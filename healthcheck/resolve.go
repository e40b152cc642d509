package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	resolveEvery   = 30 * time.Second
	resolveTimeout = 5 * time.Second
	maxLookups     = 64 // at once; a resolver that hangs delays the others, never the probes
)

// host is a name that nodes are given by.
type host struct {
	entry
	name  string
	addrs []netip.Addr // the last good answer
	doubt string       // why the last lookup gave none
	gone  bool
}

type answer struct {
	host  *host
	addrs []netip.Addr
	err   error
}

func lookup(ctx context.Context, network, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, network, name)
}

// updateHosts asks for names that are new at once, and passes on what is known of the others.
func (r *rounds) updateHosts(now time.Time) {
	old := r.hosts
	r.hosts = make(map[string]*host)
	for _, p := range r.bySpec {
		name := p.spec.host
		if name == "" || r.hosts[name] != nil {
			continue
		}
		h := old[name]
		if h == nil {
			h = &host{name: name}
			h.entry.host = h
			r.lookups.schedule(&h.entry, now)
		}
		delete(old, name)
		r.hosts[name] = h
	}
	for _, h := range old {
		h.gone = true
		r.lookups.remove(&h.entry)
	}
	r.spreadAddresses(now, func(h *host) bool { return len(h.addrs) > 0 || h.doubt != "" })
}

// ask looks a name up in a goroutine of its own.
func (r *rounds) ask(h *host) {
	r.asking++
	r.running.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, resolveTimeout)
		defer cancel()
		addrs, err := r.Lookup(ctx, "ip", h.name)
		r.answers <- answer{h, addrs, err}
	})
}

// resolved takes an answer; without a good one the last good addresses stay.
func (r *rounds) resolved(a answer) {
	r.asking--
	h := a.host
	if h.gone || r.ctx.Err() != nil {
		return
	}
	now := time.Now()
	r.lookups.schedule(&h.entry, now.Add(resolveEvery))
	addrs := oneOfEach(a.addrs, h.addrs)
	if len(addrs) == 0 {
		r.unresolved(h, a.err, now)
		return
	}
	h.doubt = ""
	if !slices.Equal(addrs, h.addrs) {
		h.addrs = addrs
		r.spreadAddresses(now, func(changed *host) bool { return changed == h })
	}
}

func (r *rounds) unresolved(h *host, err error, now time.Time) {
	if err == nil {
		err = errors.New("no addresses")
	}
	doubt := fmt.Sprintf("cannot resolve %s: %v", h.name, err)
	if h.doubt == "" {
		r.Log.Warn("cannot resolve a node's host name", "event", "unresolved", "host", h.name, "err", err, "kept", len(h.addrs))
	}
	h.doubt = doubt
	r.spreadAddresses(now, func(changed *host) bool { return changed == h })
}

// spreadAddresses passes on what is known of some hosts to their probes, and to Resolved where it is news.
func (r *rounds) spreadAddresses(now time.Time, some func(*host) bool) {
	told := make(map[string]bool)
	for _, p := range r.bySpec {
		h := r.hosts[p.spec.host]
		switch {
		case h == nil || !some(h):
		case len(h.addrs) == 0:
			r.lose(p, h.doubt, now)
		case !slices.Equal(p.addrs, h.addrs):
			if !told[p.spec.node] && r.Resolved != nil {
				r.Resolved(p.spec.node, h.addrs)
			}
			told[p.spec.node] = true
			p.addrs = h.addrs
			r.enter(p, now)
		}
	}
}

func (r *rounds) lose(p *probe, doubt string, now time.Time) {
	for _, t := range p.targets {
		if t.unresolved(doubt, now) {
			r.tell(t)
		}
	}
}

// oneOfEach takes an IPv4 and an IPv6 address out of an answer: a node is one server. An address that is in use stays
// while it is in the answer, however resolvers rotate it; else the lowest one is taken.
func oneOfEach(answer, inUse []netip.Addr) []netip.Addr {
	plain := make([]netip.Addr, 0, len(answer))
	for _, a := range answer {
		plain = append(plain, a.Unmap())
	}
	slices.SortFunc(plain, netip.Addr.Compare)
	var out []netip.Addr
	for _, is4 := range []bool{true, false} {
		family := func(a netip.Addr) bool { return a.Is4() == is4 }
		kept := slices.IndexFunc(inUse, func(a netip.Addr) bool { return family(a) && slices.Contains(plain, a) })
		first := slices.IndexFunc(plain, family)
		switch {
		case kept >= 0:
			out = append(out, inUse[kept])
		case first >= 0:
			out = append(out, plain[first])
		}
	}
	return out
}
