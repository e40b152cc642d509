package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes is the table of contents of the API.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", get(s.healthz))
	mux.HandleFunc("/readyz", get(s.readyz))
	mux.HandleFunc("/metrics", get(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}).ServeHTTP))
	mux.HandleFunc("/api/v1/nodes", get(s.nodes))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
	return mux
}

// get refuses other methods than GET and HEAD (RFC 9110, 15.5.6).
func get(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			problem(w, http.StatusMethodNotAllowed, r.Method+" is not possible here")
			return
		}
		next(w, r)
	}
}

// healthz says that the process lives.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// readyz says whether clients may be sent here: not while the process drains, and with ?service= only while that
// service has a node that new sessions can use.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	table := s.Table()
	name := r.URL.Query().Get("service")
	switch {
	case s.unready.Load():
		problem(w, http.StatusServiceUnavailable, "draining")
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
func answer(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	if r.URL.Query().Has("pretty") {
		e.SetIndent("", strings.Repeat(" ", 2))
	}
	e.Encode(v)
}
