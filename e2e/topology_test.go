package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Where everything is. The balancer listens on the nodes' own port numbers, so that a client goes to a node instead of
// the balancer by the address alone.
const (
	front  = "127.0.2.1" // the balancer; the servers' certificates are good for it
	source = "127.0.3.1" // the balancer's own address towards nodes, so that a node's log tells it from a client
	admin  = "127.0.2.1:9070"
	name   = "mail.example.test"
)

// ports is where nodes serve each service; the PROXY twin is 10000 higher.
var ports = map[string]int{
	"imap": 1143, "imaps": 1993, "pop3": 1110, "pop3s": 1995, "sieve": 14190, "lmtp": 1024,
	"smtp": 1025, "submission": 1587, "submissions": 1465,
}

// at is where clients reach a service of the balancer.
func at(service string) string { return net.JoinHostPort(front, strconv.Itoa(ports[service])) }

// A topology is the file of one test; the zero value is all nodes, all services, and no PROXY header.
type topology struct {
	proxy    string            // none, v1 or v2; "" is none
	without  []string          // nodes that are left out
	weights  map[string]int    // of nodes, where not 1
	keys     map[string]string // of services, beside their own: `timeouts: {hedge: 1s}`
	more     map[string]string // further addresses of services: "127.0.2.1:5000"
	deadline string            // of the shutdown; "" is the default
	regions  string            // the YAML of regions, with the region of this balancer; "" is none
	region   map[string]string // of nodes, where there are regions
	ends     string            // terminate or reencrypt, of the services with implicit TLS; "" passes it through
}

// clear is where nodes serve in the clear what has implicit TLS.
var clear = map[string]string{"imaps": "imap", "pop3s": "pop3", "submissions": "submission"}

// checks make probes quick enough for a test to wait for.
const checks = "check: {interval: 1s, remote_interval: 1s, timeout: 1s}, slow_start: 0s, "

func (y topology) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster: %s\nadmin: {listen: %q}\n", name, admin)
	if y.deadline != "" {
		fmt.Fprintf(&b, "shutdown: {deadline: %s}\n", y.deadline)
	}
	if y.ends != "" {
		fmt.Fprintf(&b, "tls:\n  certificates: [{cert: front.crt, key: front.key}]\n  node_ca: %s\n", servers.ca())
	}
	b.WriteString(y.regions)
	b.WriteString("roles:\n  store: [imap, imaps, pop3, pop3s, sieve, lmtp]\n  transfer: [smtp, submission, submissions]\n")
	b.WriteString("nodes:\n")
	for i, node := range everybody {
		if slices.Contains(y.without, node) {
			continue
		}
		weight, ok := y.weights[node]
		if !ok {
			weight = 1
		}
		role := map[byte]string{'d': "store", 'p': "transfer"}[node[0]]
		fmt.Fprintf(&b, "  - {name: %s, address: 127.0.1.%d, role: %s, weight: %d", node, i+1, role, weight)
		if region := y.region[node]; region != "" {
			fmt.Fprintf(&b, ", region: %s", region)
		}
		b.WriteString("}\n")
	}
	b.WriteString("services:\n")
	for _, service := range slices.Sorted(maps.Keys(ports)) {
		fmt.Fprintf(&b, "  %s: {%s}\n", service, y.service(service))
	}
	return b.String()
}

// service is the keys of one service.
func (y topology) service(service string) string {
	listen := strconv.Quote(at(service))
	if more := y.more[service]; more != "" {
		listen += fmt.Sprintf(", %q", more)
	}
	port, proxy, ends := ports[service], y.proxy, ""
	if clear[service] != "" && y.ends != "" {
		ends = "tls: " + y.ends + ", "
		if y.ends == "terminate" {
			port = ports[clear[service]]
		}
	}
	if proxy == "" || proxy == "none" {
		proxy = "none"
	} else {
		port += 10000
	}
	s := fmt.Sprintf("listen: [%s], port: %d, source: [%s], proxy_protocol: %s, %s", listen, port, source, proxy, checks)
	return s + ends + y.keys[service]
}

// write puts the file in place by rename, and beside it the certificate if one is shown and there is none yet.
func (y topology) write(t *testing.T, path string) {
	t.Helper()
	if y.ends != "" {
		issueOnce(t, filepath.Dir(path))
	}
	replace(t, path, y.String())
}

// replace puts a content in a file's place by rename.
func replace(t *testing.T, path, content string) {
	t.Helper()
	temporary := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(temporary, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		t.Fatal(err)
	}
}
