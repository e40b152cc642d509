//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"embed"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"posthouse/bench/beside"
	"posthouse/bench/raw"
)

//go:embed *.tmpl
var templates embed.FS

// variant is how a server is configured.
type variant struct {
	tls bool // TLS ends at the server
	log bool // a line for each request, to a file
}

func (v variant) scheme() string {
	if v.tls {
		return "https"
	}
	return "http"
}

type (
	kind   = beside.Kind[variant]
	server = beside.Server[variant]
	row    = beside.Row[variant]
)

// kinds are the servers that are compared.
var kinds = []*kind{
	{Name: "posthouse", Ours: true, Config: "posthouse.yaml", Command: func(s *beside.Site, file string, v variant) []string {
		level := "warn"
		if v.log {
			level = "debug" // which has the lines for requests
		}
		return []string{s.Posthouse, "serve", "--config", file, "--log-level", level}
	}},
	{Name: "nginx", Config: "nginx.conf", Command: func(_ *beside.Site, file string, _ variant) []string {
		return []string{"/usr/sbin/nginx", "-p", filepath.Dir(file), "-c", file, "-e", "stderr"}
	}},
	{Name: "haproxy", Config: "haproxy.cfg", Command: func(_ *beside.Site, file string, _ variant) []string {
		return []string{"/usr/sbin/haproxy", "-db", "-f", file}
	}},
}

// schemeOf is by which clients come, as nodes are to be told; empty: nobody tells them.
func schemeOf(p *server) string {
	if p.Direct() {
		return ""
	}
	return p.Variant.scheme()
}

// settings are what the templates are filled with.
type settings struct {
	TLS, Log    bool
	Dir         string
	Listen      netip.AddrPort
	Scheme      string
	Nodes       []netip.AddrPort
	NodePort    uint16
	Services    []string
	Cert, Key   string
	Pem         string // both in one file
	Files       int    // descriptors that a server may have
	Connections int
}

func (b *bench) settings(p *server) any {
	return settings{
		TLS: p.Variant.tls, Log: p.Variant.log, Dir: p.Dir, Listen: p.Addr, Scheme: p.Variant.scheme(),
		Nodes: b.node.addrs, NodePort: b.node.addrs[0].Port(), Services: []string{"jmap", "webdav", "http"},
		Cert: b.cert.File, Key: b.cert.KeyFile, Pem: b.cert.BothFile, Files: b.site.Files, Connections: b.site.Files / 3,
	}
}

// answers says whether a request comes back from a node. The nodes are served meanwhile.
func (b *bench) answers(p *server) error {
	defer b.loop.Serve()()
	roots := x509.NewCertPool()
	roots.AddCert(b.cert.Leaf)
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: raw.ServerName},
	}}
	r, err := client.Get(p.Variant.scheme() + "://" + p.Addr.String() + "/jmap/ready")
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNoContent { // nobody but the node says that
		return fmt.Errorf("status %d", r.StatusCode)
	}
	return nil
}
