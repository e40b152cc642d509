package admin

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"posthouse/routing"
)

// Drained is how far a drain has come.
type Drained struct {
	Sessions int `json:"sessions"` // that it was about so far
	Open     int `json:"open"`     // of these are left
	Left     int `json:"left_by_themselves"`
	Quiet    int `json:"closed_quiet"`
	Cut      int `json:"cut"`
}

// drainRow is a drain as /api/v1/drains tells it.
type drainRow struct {
	ID int64 `json:"id"`
	routing.Subject
	What   string     `json:"what"` // the subject in words; "process" for the whole
	By     string     `json:"by"`
	Reason string     `json:"reason,omitempty"`
	Began  time.Time  `json:"began"`
	Within string     `json:"within,omitempty"`
	State  string     `json:"state"` // running, ended, or stopped by a resume or another drain of the same
	Ended  *time.Time `json:"ended,omitempty"`
	Drained
}

// drain is one that runs, or ran.
type drain struct {
	drainRow
	within time.Duration
	cancel context.CancelFunc
	told   int // quarters of its sessions that were gone when it was last said
}

const (
	drainRuns    = "running"
	drainEnded   = "ended"
	drainStopped = "stopped"

	maxDrains = 100 // that are remembered
)

// drains are those that run, and the last ones that ran.
type drains struct {
	mu   sync.Mutex // guards the following, and what is in all
	all  []*drain
	last int64
}

// begin registers a drain; one of the same subject that still runs is stopped.
func (d *drains) begin(next *drain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halt(next.Subject)
	d.last++
	next.ID, next.State = d.last, drainRuns
	d.all = append(d.all, next)
	if len(d.all) > maxDrains {
		if i := slices.IndexFunc(d.all, func(one *drain) bool { return one.State != drainRuns }); i >= 0 {
			d.all = slices.Delete(d.all, i, i+1)
		}
	}
}

// halt stops what runs for a subject. The caller holds mu.
func (d *drains) halt(s routing.Subject) (was *drain) {
	for _, one := range d.all {
		if one.State == drainRuns && one.Subject == s {
			now := time.Now()
			one.State, one.Ended, was = drainStopped, &now, one
			one.cancel()
		}
	}
	return was
}

func (d *drains) stop(s routing.Subject) *drain {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.halt(s)
}

// rows are all, the last one first.
func (d *drains) rows() []drainRow {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows := []drainRow{}
	for _, one := range d.all {
		rows = append(rows, one.drainRow)
	}
	slices.SortFunc(rows, func(a, b drainRow) int { return cmp.Compare(b.ID, a.ID) })
	return rows
}

func (d *drains) row(one *drain) drainRow {
	d.mu.Lock()
	defer d.mu.Unlock()
	return one.drainRow
}

// note takes what is known of a drain now, and says what is new, and whether a further quarter of its sessions is gone.
func (d *drains) note(one *drain, now Drained) (news Drained, further bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	news = Drained{Left: max(now.Left-one.Left, 0), Quiet: max(now.Quiet-one.Quiet, 0), Cut: max(now.Cut-one.Cut, 0)}
	one.Drained = now
	quarters := 0
	if now.Sessions > 0 {
		quarters = 4 * (now.Sessions - now.Open) / now.Sessions
	}
	further = quarters > one.told && quarters < 4
	one.told = max(one.told, quarters)
	return news, further
}

// finish is called when a drain has returned. It is false where it was stopped.
func (d *drains) finish(one *drain) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if one.State != drainRuns {
		return false
	}
	now := time.Now()
	one.State, one.Ended = drainEnded, &now
	return true
}

// running is how many there are.
func (d *drains) running() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.all {
		if one.State == drainRuns {
			n++
		}
	}
	return n
}

// startDrain ends the sessions of a subject that routing sends no new ones to any more.
func (s *Server) startDrain(subject routing.Subject, within time.Duration, by, reason string) drainRow {
	s.init()
	ctx, cancel := context.WithCancel(s.life)
	one := &drain{within: within, cancel: cancel, drainRow: drainRow{
		Subject: subject, What: subject.String(), By: by, Reason: reason, Began: time.Now(), Within: within.String(),
	}}
	s.drains.begin(one)
	s.Log.Info("drain begun", "event", "drain-began", "subject", one.What, "within", one.Within, "by", by, "reason", reason)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing { // else the process has a drain of its own
		s.serving.Go(func() {
			defer cancel()
			s.runDrain(ctx, one)
		})
	}
	return s.drains.row(one)
}

func (s *Server) runDrain(ctx context.Context, one *drain) {
	last := s.Drain(ctx, one.Subject, one.within, func(now Drained) { s.noteDrain(one, now) })
	s.noteDrain(one, last)
	if s.drains.finish(one) {
		s.Log.Info("drained", "event", "drain-ended", "subject", one.What, "left_by_themselves", last.Left,
			"closed_quiet", last.Quiet, "cut", last.Cut, "took", time.Since(one.Began).Round(time.Millisecond).String())
	}
}

func (s *Server) noteDrain(one *drain, now Drained) {
	news, further := s.drains.note(one, now)
	s.Drainage.count(news)
	if further {
		s.Log.Info("drain goes on", "event", "drain-progress", "subject", one.What, "sessions", now.Sessions, "open", now.Open)
	}
}

// Ending takes how far the drain is that ends the process. Calls come one after the other.
func (s *Server) Ending(now Drained) {
	if s.ending == nil {
		s.ending = &drain{cancel: func() {}, drainRow: drainRow{What: "process", Began: time.Now()}}
		s.drains.begin(s.ending)
	}
	s.noteDrain(s.ending, now)
	if now.Open == 0 {
		s.drains.finish(s.ending)
	}
}
