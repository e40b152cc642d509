package admin

import (
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Denial keeps the clients of a network out.
type Denial struct {
	Prefix netip.Prefix `json:"prefix"`
	Until  time.Time    `json:"until"`
	Since  time.Time    `json:"since"`
	By     string       `json:"by"`
	Reason string       `json:"reason,omitempty"`
}

// denials are those that an operator has set.
type denials struct {
	mu  sync.Mutex // guards the following
	all []Denial
}

// current is those whose time is not over.
func (d *denials) current() []Denial {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.all = slices.DeleteFunc(d.all, func(one Denial) bool { return !now.Before(one.Until) })
	return append([]Denial{}, d.all...)
}

// set replaces the denial of a network; nil takes it away. It says whether there was one.
func (d *denials) set(p netip.Prefix, next *Denial) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.all)
	d.all = slices.DeleteFunc(d.all, func(one Denial) bool { return one.Prefix == p })
	found := len(d.all) < before
	if next != nil {
		d.all = append(d.all, *next)
	}
	return found
}

// deny puts the denials into effect.
func (s *Server) deny() { s.Deny(s.denied.current()) }

const (
	usualDenial = time.Hour
	maxDenial   = 30 * 24 * time.Hour // what is to last longer belongs into the file's deny
	widest4     = 8                   // a slip of the finger must not lock everybody out
	widest6     = 16
)

func (s *Server) listDenials(w http.ResponseWriter, r *http.Request) {
	answer(w, r, map[string]any{"denials": s.denied.current()})
}

// addDenial answers POST /api/v1/deny?prefix=&for=&kill=.
func (s *Server) addDenial(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	now := time.Now()
	d := Denial{Prefix: q.prefix(), Since: now, By: asker(r), Reason: q.reason()}
	d.Until = now.Add(q.duration("for", usualDenial, maxDenial))
	kill := q.flag("kill")
	if q.refused(w) {
		return
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.denied.set(d.Prefix, &d)
	s.deny()
	s.keep()
	s.Log.Warn("clients denied", "event", "deny", "prefix", d.Prefix.String(), "until", d.Until.UTC().Format(time.RFC3339), "by", d.By, "reason", d.Reason)
	killed := 0
	if kill {
		killed = s.kill(Filter{Client: d.Prefix}, d.By, d.Reason)
	}
	answer(w, r, map[string]any{"denial": d, "killed": killed})
}

// prefix is the network of a denial.
func (q *query) prefix() netip.Prefix {
	p := q.network("prefix")
	switch {
	case q.err != nil:
	case !p.IsValid():
		q.wrong("prefix= is missing: an address or a network such as 192.0.2.0/24")
	case p.Addr().Is4() && p.Bits() < widest4, p.Addr().Is6() && p.Bits() < widest6:
		q.wrong("prefix=%s is too wide: at most /%d, for IPv6 /%d; to send everybody elsewhere, drain", p, widest4, widest6)
	}
	return p
}

// liftDenial answers DELETE /api/v1/deny?prefix=.
func (s *Server) liftDenial(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	p := q.network("prefix")
	if q.err == nil && !p.IsValid() {
		q.wrong("prefix= is missing: the network of the denial to lift")
	}
	if q.refused(w) {
		return
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if !s.denied.set(p, nil) {
		problem(w, http.StatusNotFound, p.String()+" is not denied")
		return
	}
	s.deny()
	s.keep()
	s.Log.Info("clients allowed again", "event", "undeny", "prefix", p.String(), "by", asker(r), "reason", q.reason())
	answer(w, r, map[string]any{"denials": s.denied.current()})
}
