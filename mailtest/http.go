package mailtest

import (
	"cmp"
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// The services of HTTP in Node.Address are jmap, webdav and http, over TLS, and jmap-plain, webdav-plain and http-plain
// for the same without it. Those with one address share a port, as they do on a real node: "127.0.0.1:0" for all three
// takes one free port. A request for what the node does not run is answered with 404.
//
// Whatever is answered has the node's name in the header X-Node.

// NodeHeader is in every answer: the name of the node.
const NodeHeader = "X-Node"

const plainSuffix = "-plain"

// ports is the services of each address, in the order of their names: those of HTTP share, as far as TLS allows.
func ports(bound map[string]string) [][]string {
	var all [][]string
	for _, name := range slices.Sorted(maps.Keys(bound)) {
		i := slices.IndexFunc(all, func(names []string) bool {
			first := services[names[0]]
			return first.protocol == "http" && services[name].protocol == "http" &&
				first.implicitTLS == services[name].implicitTLS && bound[names[0]] == bound[name]
		})
		if i < 0 {
			all = append(all, []string{name})
		} else {
			all[i] = append(all[i], name)
		}
	}
	return all
}

// httpServer serves the connections of all nodes: it has no listeners, and no goroutine but those of the connections.
var httpServer = &http.Server{
	Handler:           http.HandlerFunc(answer),
	ConnContext:       withConn,
	ReadHeaderTimeout: idleTimeout,
	ErrorLog:          quiet,
}

func serveHTTP(_ *Node, c net.Conn) { httpServer.Serve(&single{c}) } // returns at once; the session goes on

type connKey struct{}

// httpConn is what an HTTP connection is to the handlers.
type httpConn struct {
	*conn
	number int64 // of the connection, counted over all nodes
}

var connections atomic.Int64

func withConn(ctx context.Context, c net.Conn) context.Context {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	return context.WithValue(ctx, connKey{}, &httpConn{c.(*conn), connections.Add(1)})
}

// runs says whether the port serves one of jmap, webdav and http.
func (c *httpConn) runs(service string) bool {
	return slices.Contains(c.names, service) || slices.Contains(c.names, service+plainSuffix)
}

// answer is every request of every node.
func answer(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*httpConn)
	service := serviceOf(r.URL.Path)
	c.node.note(Session{Service: service, Client: c.client()})
	w.Header().Set(NodeHeader, c.node.Name)
	switch {
	case !c.runs(service):
		http.NotFound(w, r)
	case strings.HasSuffix(r.URL.Path, "/api/seen"):
		c.show(w, r)
	case service == "jmap":
		c.node.serveJMAP(w, r)
	case service == "webdav":
		c.node.serveDAV(w, r)
	default:
		http.NotFound(w, r)
	}
}

// httpPaths is the prefixes of a Stalwart node's services; http has the rest.
var httpPaths = []struct{ prefix, service string }{
	{"/jmap", "jmap"},
	{"/.well-known/jmap", "jmap"},
	{"/dav", "webdav"},
	{"/.well-known/caldav", "webdav"},
	{"/.well-known/carddav", "webdav"},
}

func serviceOf(path string) string {
	for _, p := range httpPaths {
		if rest, ok := strings.CutPrefix(path, p.prefix); ok && (rest == "" || rest[0] == '/') {
			return p.service
		}
	}
	return "http"
}

// authorised is the account that the request logs in to; nil, and answered, if it does not.
func (n *Node) authorised(w http.ResponseWriter, r *http.Request) *account {
	name, password, _ := r.BasicAuth()
	a, err := n.Store.login(name, password)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="mail"`)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return nil
	}
	return a
}

// base is the scheme and host by which the client knows us, for links.
func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return cmp.Or(r.Header.Get("X-Forwarded-Proto"), scheme) + "://" + cmp.Or(r.Header.Get("X-Forwarded-Host"), r.Host)
}
