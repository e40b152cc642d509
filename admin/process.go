package admin

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"
)

const reloadTime = 15 * time.Second // to read, check and bind; a file that is being written is waited for

// reload answers POST /api/v1/reload with what became of the file.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if s.Reload == nil {
		problem(w, http.StatusNotImplemented, "this process does not follow a file of its own")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), reloadTime)
	defer cancel()
	s.Log.Info("reload asked for", "event", "reload-asked", "by", asker(r), "reason", asked(r).reason())
	switch result, why, err := s.Reload(ctx); {
	case err != nil:
		problem(w, http.StatusGatewayTimeout, "nothing is known yet of the file; /api/v1/events will tell")
	case why != "":
		problem(w, http.StatusConflict, result+": "+why)
	default:
		answer(w, r, map[string]any{"result": result})
	}
}

// drainProcess answers POST /api/v1/drain: the process ends as on SIGTERM, within another time. There is no way back.
func (s *Server) drainProcess(w http.ResponseWriter, r *http.Request) {
	q := asked(r)
	within := q.duration("within", s.Router.Table().Topology().Deadline, maxDrain)
	if q.refused(w) {
		return
	}
	if s.Stop == nil {
		problem(w, http.StatusNotImplemented, "this process cannot be ended from here")
		return
	}
	s.Log.Info("the process is to end", "event", "stop-asked", "within", within.String(), "by", asker(r), "reason", q.reason())
	accepted(w, r, map[string]any{"drain": map[string]any{"what": "process", "within": within.String()}})
	s.Stop(within)
}

// rebalance has its place; moving quiet sessions to nodes that came back is not built.
func (s *Server) rebalance(w http.ResponseWriter, _ *http.Request) {
	problem(w, http.StatusNotImplemented, "rebalance is not built yet: drain a node that has too much, or give it another weight")
}

// explain answers GET /api/v1/explain.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	if s.Explain == nil {
		problem(w, http.StatusNotImplemented, "this process cannot explain")
		return
	}
	said, err := s.Explain(r.URL.Query())
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, r, said)
}

// profile serves pprof, to those who bear a token only: profiles tell more than an operator on loopback may want to share with
// every user of the machine.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	if !tokenAsked(r) {
		problem(w, http.StatusForbidden, "profiles need admin.token_file")
		return
	}
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	switch r.PathValue("name") {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}
