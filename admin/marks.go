package admin

import (
	"fmt"
	"net/http"
	"time"

	"posthouse/config"
	"posthouse/routing"
)

const (
	usualDrain = 10 * time.Minute
	maxDrain   = 24 * time.Hour
	maxWeight  = 10000
)

// subject is what a path and ?service= name. Names that the topology does not have are refused unless there is a mark for them:
// one that was forgotten must be possible to take back.
func (s *Server) subject(w http.ResponseWriter, r *http.Request, q *query, kind string) (routing.Subject, bool) {
	name, service := r.PathValue("name"), q.Get("service")
	var subject routing.Subject
	switch kind {
	case "nodes":
		subject = routing.Subject{Node: name, Service: service}
	case "regions":
		subject = routing.Subject{Region: name}
	default:
		subject = routing.Subject{Service: name}
	}
	if service != "" && kind != "nodes" {
		q.wrong("service= goes with a node: drain the service itself, or the nodes one by one")
	}
	if q.refused(w) {
		return subject, false
	}
	table := s.Router.Table()
	if why := missing(table.File(), subject); why != "" && !marked(table.Marks(), subject) {
		problem(w, http.StatusNotFound, why)
		return subject, false
	}
	return subject, true
}

func marked(marks routing.Marks, s routing.Subject) bool {
	for _, m := range marks {
		if m.Subject == s {
			return true
		}
	}
	return false
}

// missing is what a topology does not have of a subject.
func missing(t *config.Topology, s routing.Subject) string {
	if s.Node != "" {
		n := t.Node(s.Node)
		switch {
		case n == nil:
			return fmt.Sprintf("no node %q", clip(s.Node))
		case s.Service != "" && !n.Runs(s.Service):
			return fmt.Sprintf("node %q does not run %q", s.Node, clip(s.Service))
		}
		return ""
	}
	switch {
	case s.Region != "" && t.RegionNamed(s.Region) == nil:
		return fmt.Sprintf("no region %q", clip(s.Region))
	case s.Service != "" && t.Service(s.Service) == nil:
		return fmt.Sprintf("no service %q", clip(s.Service))
	}
	return ""
}

// drainOf answers POST /api/v1/{nodes,regions,services}/{name}/drain: no new sessions from now on, and those that are there
// end within the time.
func (s *Server) drainOf(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := asked(r)
		within := q.duration("within", usualDrain, maxDrain)
		subject, ok := s.subject(w, r, q, kind)
		if !ok {
			return
		}
		by, reason := asker(r), q.reason()
		s.changing.Lock()
		defer s.changing.Unlock()
		s.mark(routing.Mark{Subject: subject, Since: time.Now(), By: by, Reason: reason})
		accepted(w, r, map[string]any{"drain": s.startDrain(subject, within, by, reason)})
	}
}

// resumeOf answers POST .../resume: the mark is gone, and what its drain has not closed yet stays.
func (s *Server) resumeOf(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := asked(r)
		subject, ok := s.subject(w, r, q, kind)
		if !ok {
			return
		}
		s.changing.Lock()
		defer s.changing.Unlock()
		mark := routing.Mark{Subject: subject}
		had := s.Router.Table().Marks().Has(mark)
		s.unmark(mark)
		if one := s.drains.stop(subject); one != nil {
			now := s.drains.row(one)
			s.Log.Info("drain stopped", "event", "drain-stopped", "subject", now.What, "open", now.Open)
		}
		if had {
			s.Log.Info("resumed", "event", "resume", "subject", subject.String(), "by", asker(r), "reason", q.reason())
		}
		s.answerMarked(w, r, subject, had)
	}
}

// weigh answers POST /api/v1/nodes/{name}/weight?weight=N.
func (s *Server) weigh(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	if q.Get("weight") == "" {
		q.wrong("weight= is missing: a number from 0 to %d; DELETE gives the file's back", maxWeight)
	}
	weight := int(q.number("weight", 0, maxWeight))
	subject, ok := s.subject(w, r, q, "nodes")
	if !ok {
		return
	}
	by, reason := asker(r), q.reason()
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mark(routing.Mark{Subject: subject, Weight: &weight, Since: time.Now(), By: by, Reason: reason})
	s.Log.Info("weight set", "event", "weight", "subject", subject.String(), "weight", weight, "by", by, "reason", reason)
	s.answerMarked(w, r, subject, true)
}

// unweigh answers DELETE /api/v1/nodes/{name}/weight: the file's counts again.
func (s *Server) unweigh(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	subject, ok := s.subject(w, r, q, "nodes")
	if !ok {
		return
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	mark := routing.Mark{Subject: subject, Weight: new(int)}
	had := s.Router.Table().Marks().Has(mark)
	s.unmark(mark)
	if had {
		s.Log.Info("the file's weight counts again", "event", "weight", "subject", subject.String(), "by", asker(r), "reason", q.reason())
	}
	s.answerMarked(w, r, subject, had)
}

// mark puts a mark into effect and keeps it. The caller holds changing.
func (s *Server) mark(m routing.Mark) {
	s.Router.Mark(func(all routing.Marks) routing.Marks { return all.With(m) })
	s.keep()
}

func (s *Server) unmark(m routing.Mark) {
	s.Router.Mark(func(all routing.Marks) routing.Marks { return all.Without(m) })
	s.keep()
}

// answerMarked tells how the subject stands after a change: what the file says of it stays, for a mark only makes it stricter.
func (s *Server) answerMarked(w http.ResponseWriter, r *http.Request, subject routing.Subject, changed bool) {
	table := s.Router.Table()
	answer(w, r, map[string]any{
		"what": subject.String(), "changed": changed,
		"state": stateIn(table.Topology(), subject).String(), "file_state": stateIn(table.File(), subject).String(),
	})
}

// stateIn is what a topology says of a subject; Active of what it does not have.
func stateIn(t *config.Topology, s routing.Subject) config.AdminState {
	switch {
	case s.Node != "":
		if n := t.Node(s.Node); n != nil {
			return n.StateFor(s.Service)
		}
	case s.Region != "":
		if r := t.RegionNamed(s.Region); r != nil {
			return r.State
		}
	default:
		if service := t.Service(s.Service); service != nil {
			return service.State
		}
	}
	return config.Active
}

func (s *Server) listMarks(w http.ResponseWriter, r *http.Request) {
	answer(w, r, map[string]any{"marks": marksOf(s.Router.Table().Marks(), func(routing.Subject) bool { return true })})
}

// markRow is a mark as the API tells it.
type markRow struct {
	Kind string `json:"kind"` // drain or weight
	What string `json:"what"`
	routing.Mark
}

func marksOf(all routing.Marks, about func(routing.Subject) bool) []markRow {
	rows := []markRow{}
	for _, m := range all {
		if about(m.Subject) {
			kind := "drain"
			if m.Weight != nil {
				kind = "weight"
			}
			rows = append(rows, markRow{kind, m.Subject.String(), m})
		}
	}
	return rows
}

func (s *Server) listDrains(w http.ResponseWriter, r *http.Request) {
	answer(w, r, map[string]any{"drains": s.drains.rows()})
}
