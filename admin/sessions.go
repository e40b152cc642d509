package admin

import (
	"net/http"
	"net/netip"
	"time"

	"posthouse/routing"
)

// Filter chooses sessions. The zero value chooses all.
type Filter struct {
	routing.Subject
	Client netip.Prefix // the zero value: everybody
}

// Session is a session, or an HTTP request in flight, that has a node.
type Session struct {
	ID      string
	Service string
	Client  netip.AddrPort
	Node    string
	Region  string
	Since   time.Time
	Up      int64
	Down    int64
	Silent  time.Duration
}

// sessionRow is a row of /api/v1/sessions.
type sessionRow struct {
	ID       string         `json:"id"` // as in the log
	Service  string         `json:"service"`
	Client   netip.AddrPort `json:"client"`
	Node     string         `json:"node"`
	Region   string         `json:"region"`
	Since    time.Time      `json:"since"`
	Up       int64          `json:"up"` // bytes from the client
	Down     int64          `json:"down"`
	SilentMS int64          `json:"silent_ms"` // since a byte last moved
}

func (q *query) filter() Filter {
	return Filter{routing.Subject{Node: q.word("node"), Region: q.word("region"), Service: q.word("service")}, q.network("client")}
}

// listSessions answers with a page: those behind ?after=, at most ?limit=.
func (s *Server) listSessions(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	filter, limit, after := q.filter(), int(q.limit()), q.word("after")
	if q.refused(w) {
		return
	}
	page, all := s.List(filter, after, limit)
	rows := make([]sessionRow, len(page))
	for i, p := range page {
		rows[i] = sessionRow{p.ID, p.Service, p.Client, p.Node, p.Region, p.Since, p.Up, p.Down, p.Silent.Milliseconds()}
	}
	found := map[string]any{"sessions": rows, "total": all}
	if len(rows) == limit {
		found["next"] = rows[limit-1].ID
	}
	answer(w, r, found)
}

// killSessions answers DELETE /api/v1/sessions.
func (s *Server) killSessions(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	filter := q.filter()
	if q.err == nil && filter == (Filter{}) {
		q.wrong("say which sessions: node=, region=, service= or client=; to end all, drain the process")
	}
	if q.refused(w) {
		return
	}
	answer(w, r, map[string]any{"killed": s.kill(filter, asker(r), q.reason())})
}

func (s *Server) kill(f Filter, by, reason string) int {
	killed := s.Kill(f)
	client := ""
	if f.Client.IsValid() {
		client = f.Client.String()
	}
	s.Log.Warn("sessions killed", "event", "kill", "of", f.Subject.String(), "client", client, "sessions", killed, "by", by, "reason", reason)
	return killed
}
