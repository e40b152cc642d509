package e2e

import (
	"cmp"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A webTopology is the file of one test in front of the web servers; the zero value ends TLS, speaks plain HTTP to nodes,
// and writes no PROXY header.
type webTopology struct {
	tls     string            // none, terminate or reencrypt; "" is terminate
	proxy   string            // to the Apaches; "" is none
	rest    bool              // the Apaches also serve http: what nobody else claims
	without []string          // nodes that are left out
	weights map[string]int    // of nodes, where not 1
	keys    map[string]string // of services, beside their own; of "http" only with rest
	more    string            // a further address of all services
	nodes   string            // YAML instead of the nodes
}

// Where web services are, on nodes and on the balancer.
const (
	plainPort  = 8080
	securePort = 8443
)

// frontPort is where clients reach the balancer.
func (y webTopology) frontPort() int {
	if y.tls == "none" {
		return plainPort
	}
	return securePort
}

// base is the address that clients begin with.
func (y webTopology) base() string { return base(front, y.frontPort()) }

func base(host string, port int) string {
	scheme := "https"
	if port != securePort {
		scheme = "http"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

func (y webTopology) names() []string {
	if y.rest {
		return []string{"jmap", "calendar", "webdav", "http"}
	}
	return []string{"jmap", "calendar", "webdav"}
}

func (y webTopology) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: %s\nadmin: {listen: %q}\n", name, admin)
	fmt.Fprintf(&b, "tls:\n  certificates: [{cert: front.crt, key: front.key}]\n  node_ca: %s\n", servers.ca())
	b.WriteString("nodes:\n" + y.nodes)
	for i, node := range web {
		if y.nodes != "" || slices.Contains(y.without, node) {
			continue
		}
		weight, ok := y.weights[node]
		if !ok {
			weight = 1
		}
		runs := map[byte]string{'c': "jmap, calendar", 'a': "webdav"}[node[0]]
		if node[0] == 'a' && y.rest {
			runs += ", http"
		}
		fmt.Fprintf(&b, "  - {name: %s, address: 127.0.1.%d, services: [%s], weight: %d}\n", node, 6+i, runs, weight)
	}
	b.WriteString("services:\n")
	for _, service := range y.names() {
		fmt.Fprintf(&b, "  %s: {%s}\n", service, y.service(service))
	}
	return b.String()
}

// webPaths are what tells the services apart; calendar is one of our own: the part of /dav that Cyrus has.
var webPaths = map[string]string{
	"calendar": "protocol: http, paths: [/dav/calendars, /dav/principals, /dav/addressbooks, /.well-known/caldav, /.well-known/carddav], ",
	"webdav":   "paths: [/dav], ",
}

// service is the keys of one service.
func (y webTopology) service(service string) string {
	tls, port, proxy := cmp.Or(y.tls, "terminate"), plainPort, "none"
	if tls == "reencrypt" {
		port = securePort
	}
	if y.proxy != "" && (service == "webdav" || service == "http") {
		port, proxy = port+10000, y.proxy
	}
	listen := strconv.Quote(net.JoinHostPort(front, strconv.Itoa(y.frontPort())))
	if y.more != "" {
		listen += ", " + strconv.Quote(y.more)
	}
	s := fmt.Sprintf("tls: %s, listen: [%s], port: %d, source: [%s], proxy_protocol: %s, %s", tls, listen, port, source, proxy, checks)
	return s + webPaths[service] + y.keys[service]
}

// write puts the file in place by rename, and beside it the certificate if there is none yet.
func (y webTopology) write(t *testing.T, path string) {
	t.Helper()
	issueOnce(t, filepath.Dir(path))
	replace(t, path, y.String())
}

// serveWeb is serve, and waits until all nodes are known to be up.
func serveWeb(t *testing.T, y webTopology) *posthouse {
	t.Helper()
	p := serve(t, y)
	p.allUp(t, y)
	return p
}

func (p *posthouse) allUp(t *testing.T, y webTopology) {
	t.Helper()
	eventually(t, patience, "all up", func() error { return p.are("up", web, y.names()) })
}
