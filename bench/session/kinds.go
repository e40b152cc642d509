//go:build linux

package main

import (
	"crypto/tls"
	"embed"
	"fmt"
	"path/filepath"
	"time"

	"posthouse/bench/beside"
)

//go:embed *.tmpl
var templates embed.FS

// variant is how a server is configured.
type variant struct {
	manners
	tls      bool // TLS ends at the server
	log      bool // a line for each session, to a file
	bulk     bool // the peers have larger buffers, which are good for bulk and bad for memory
	collects bool // Go's collector of garbage runs much more often than it would
	nodes    int  // 0: as many as usual
}

const usualNodes = 4 // routing has something to choose from

type (
	kind   = beside.Kind[variant]
	server = beside.Server[variant]
	row    = beside.Row[variant]
)

const nginx, haproxy = "nginx", "haproxy"

// kinds are the servers that are compared: ours, ours with two goroutines a session in place of the loops, and the peers.
func (b *bench) kinds() []*kind {
	return []*kind{
		{Name: "posthouse", Ours: true, Config: "posthouse.yaml", Command: func(s *beside.Site, file string, v variant) []string {
			return posthouse(s.Posthouse, file, v)
		}},
		{Name: "plain", Ours: true, Config: "posthouse.yaml", Command: func(_ *beside.Site, file string, v variant) []string {
			return posthouse(b.plain, file, v)
		}},
		{Name: nginx, Config: "nginx.conf", Command: func(_ *beside.Site, file string, _ variant) []string {
			return []string{"/usr/sbin/nginx", "-p", filepath.Dir(file), "-c", file, "-e", "stderr"}
		}},
		{Name: haproxy, Config: "haproxy.cfg", Command: func(_ *beside.Site, file string, _ variant) []string {
			return []string{"/usr/sbin/haproxy", "-db", "-f", file}
		}},
	}
}

func posthouse(binary, file string, v variant) []string {
	level := "warn"
	if v.log {
		level = "info" // which has the lines for sessions
	}
	command := []string{binary, "serve", "--config", file, "--log-level", level}
	if v.collects {
		command = append([]string{"/usr/bin/env", "GOGC=20"}, command...)
	}
	return command
}

// proxyVersion is of the PROXY header that a kind writes.
func proxyVersion(k *kind) byte {
	if k.Name == nginx {
		return 1
	}
	return 2
}

// settings are what the templates are filled with.
type settings struct {
	Dir                           string
	Greets, Proxy, TLS, Log, Bulk bool
	Listen                        any
	Nodes                         any
	NodePort                      uint16
	Cert, Key                     string
	Pem                           string // both in one file
	Files                         int    // descriptors that a server may have
	Sessions                      int    // that they are enough for
}

func (b *bench) settings(p *server) any {
	v := p.Variant
	count := v.nodes
	if count == 0 {
		count = usualNodes
	}
	return settings{
		Dir: p.Dir, Greets: v.greets, Proxy: v.proxy, TLS: v.tls, Log: v.log, Bulk: v.bulk,
		Listen: p.Addr, Nodes: b.node.addresses(v.manners, count), NodePort: b.node.ports[v.manners],
		Cert: b.cert.File, Key: b.cert.KeyFile, Pem: b.cert.BothFile,
		Files: b.site.Files, Sessions: b.mostSessions(),
	}
}

// spareFiles are for what is no session: listeners, probes of 1,024 nodes, pipes, logs.
const spareFiles = 2200

// mostSessions is how many a process has descriptors for: two each, at the servers as here.
func (b *bench) mostSessions() int { return (b.site.Files - spareFiles) / 2 }

// answers says whether a node answers a line through the server. The nodes are served meanwhile.
func (b *bench) answers(p *server) error {
	defer b.loop.Serve()()
	b.node.began(p)
	c, err := dial(0, p.Addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if p.Variant.tls {
		c = tls.Client(c, b.cert.Config(protocol, classic))
	}
	if err := converse(c, p.Variant.greets, command{verb: say}); err != nil {
		return fmt.Errorf("a first session: %w", err)
	}
	return b.node.err
}

// What clients of TLS offer: ALPN of IMAP, and the key share that OpenSSL 3.0 has too.
const (
	protocol = "imap"
	classic  = tls.X25519
	hybrid   = tls.X25519MLKEM768 // which Go offers and takes by default
)
