package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes is the table of contents of the API. What GET answers changes nothing.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for path, v := range map[string]verbs{
		"/healthz":               {"GET": s.healthz},
		"/readyz":                {"GET": s.readyz},
		"/metrics":               {"GET": promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}).ServeHTTP},
		"/debug/pprof/{name...}": {"GET": s.profile},

		"/{$}":   {"GET": s.page()},
		"/page/": {"GET": s.page()},

		"/api/v1/overview": {"GET": s.overview},
		"/api/v1/services": {"GET": s.services},
		"/api/v1/nodes":    {"GET": s.nodes},
		"/api/v1/regions":  {"GET": s.regions},
		"/api/v1/sessions": {"GET": s.listSessions, "DELETE": s.killSessions},
		"/api/v1/events":   {"GET": s.listEvents},
		"/api/v1/marks":    {"GET": s.listMarks},
		"/api/v1/drains":   {"GET": s.listDrains},
		"/api/v1/explain":  {"GET": s.explain},

		"/api/v1/nodes/{name}/weight": {"POST": s.weigh, "DELETE": s.unweigh},
		"/api/v1/deny":                {"GET": s.listDenials, "POST": s.addDenial, "DELETE": s.liftDenial},
		"/api/v1/drain":               {"POST": s.drainProcess},
		"/api/v1/rebalance":           {"POST": s.rebalance},
		"/api/v1/reload":              {"POST": s.reload},
	} {
		mux.Handle(path, v)
	}
	for _, kind := range []string{"nodes", "regions", "services"} {
		mux.Handle("/api/v1/"+kind+"/{name}/drain", verbs{"POST": s.drainOf(kind)})
		mux.Handle("/api/v1/"+kind+"/{name}/resume", verbs{"POST": s.resumeOf(kind)})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
	return mux
}

// verbs is what can be done at a path, by method; HEAD wherever GET can. Other methods are refused (RFC 9110, 15.5.6).
type verbs map[string]http.HandlerFunc

func (v verbs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if next := v[method]; next != nil {
		next(w, r)
		return
	}
	allowed := slices.Sorted(maps.Keys(v))
	if v[http.MethodGet] != nil {
		allowed = append(allowed, http.MethodHead)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	problem(w, http.StatusMethodNotAllowed, r.Method+" is not possible here")
}

// healthz says that the process lives.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// readyz says whether clients may be sent here: not while the process drains or still waits for what it needs, and with ?service= only while that
// service has a node that new sessions can use.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	table := s.Router.Table()
	name := r.URL.Query().Get("service")
	switch {
	case s.unready.Load():
		problem(w, http.StatusServiceUnavailable, "draining")
	case s.Waiting != nil && s.Waiting() != "":
		problem(w, http.StatusServiceUnavailable, s.Waiting())
	case name != "" && table.Topology().Service(name) == nil:
		problem(w, http.StatusNotFound, fmt.Sprintf("no service %q", name))
	case name != "" && !table.Usable(name):
		problem(w, http.StatusServiceUnavailable, fmt.Sprintf("service %q has no usable node", name))
	default:
		fmt.Fprintln(w, "ready")
	}
}

// problem answers with problem details (RFC 9457, 3).
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"title": http.StatusText(status), "status": status, "detail": detail,
	})
}

// answer writes v as JSON; with ?pretty indented, for people.
func answer(w http.ResponseWriter, r *http.Request, v any) { write(w, r, http.StatusOK, v) }

// accepted is the answer to what goes on for a while.
func accepted(w http.ResponseWriter, r *http.Request, v any) { write(w, r, http.StatusAccepted, v) }

func write(w http.ResponseWriter, r *http.Request, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	if r.URL.Query().Has("pretty") {
		e.SetIndent("", strings.Repeat(" ", 2))
	}
	e.Encode(v)
}
