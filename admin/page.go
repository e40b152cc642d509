package admin

import (
	"embed"
	"io/fs"
	"net/http"
)

// pageFiles is the status page: plain HTML, CSS and JavaScript modules, served as they are.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load what this server has and nothing else, and nobody else frame it: a name that came from a node
// could do nothing even if it got into the page as markup.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// page serves the status page at "/" and its parts under /page/. They hold no secrets and need no token: what they show is
// asked for with one.
func (s *Server) page() http.HandlerFunc {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // they are built in
	}
	parts := http.StripPrefix("/page/", http.FileServerFS(files))
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache") // another version may run tomorrow
		if r.URL.Path == "/" {
			http.ServeFileFS(w, r, files, "index.html")
			return
		}
		parts.ServeHTTP(w, r)
	}
}
