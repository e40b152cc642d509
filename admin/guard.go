package admin

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// entrance is what each request comes in by.
func (s *Server) entrance(current *atomic.Pointer[access]) http.Handler {
	return patient(guard(current, s.routes()))
}

// guard refuses what must not reach the API: pages of other sites that a browser lets talk to loopback (Origin), names
// that were pointed at it (Host: DNS rebinding), and those without the token. What is open needs no token: the tools that
// ask for /readyz cannot carry one, and the status page asks its reader for it.
func guard(current *atomic.Pointer[access], next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := current.Load()
		switch {
		case a.local && !localHost(r.Host):
			problem(w, http.StatusMisdirectedRequest, "the Host header must name this machine's loopback address")
		case !sameOrigin(r):
			problem(w, http.StatusForbidden, "requests from pages of other origins are refused")
		case a.token != nil && !open(r.URL.Path) && !a.bears(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="posthouse"`)
			problem(w, http.StatusUnauthorized, "the token of admin.token_file is needed: Authorization: Bearer TOKEN")
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenKey{}, a.token != nil)))
		}
	})
}

type tokenKey struct{}

// tokenAsked says whether a request that came this far bears the token.
func tokenAsked(r *http.Request) bool {
	asked, _ := r.Context().Value(tokenKey{}).(bool)
	return asked
}

// open is what anybody may see who can connect: the probes of others, and a page that is the same for all.
func open(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/" || strings.HasPrefix(path, "/page/")
}

func localHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	return name == "" || loopback(strings.Trim(name, "[]"))
}

func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
