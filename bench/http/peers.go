//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"posthouse/bench/measure"
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

// kinds are the servers that are compared. Ours is the first.
var kinds = []*kind{
	{"posthouse", "posthouse.yaml", func(b *bench, file string, v variant) []string {
		level := "warn"
		if v.log {
			level = "debug" // which has the lines for requests
		}
		return []string{b.binary, "serve", "--config", file, "--log-level", level}
	}},
	{"nginx", "nginx.conf", func(_ *bench, file string, _ variant) []string {
		return []string{"/usr/sbin/nginx", "-p", filepath.Dir(file), "-c", file, "-e", "stderr"}
	}},
	{"haproxy", "haproxy.cfg", func(_ *bench, file string, _ variant) []string {
		return []string{"/usr/sbin/haproxy", "-db", "-f", file}
	}},
}

type kind struct {
	name    string
	config  string // what its configuration is called; .tmpl is the template's
	command func(b *bench, file string, v variant) []string
}

// here says whether the kind's program is on this machine.
func (k *kind) here(b *bench) bool {
	_, err := exec.LookPath(k.command(b, "", variant{})[0])
	return err == nil
}

// peer is a server that runs.
type peer struct {
	kind    *kind
	variant variant
	addr    netip.AddrPort   // where it listens
	process *measure.Process // nil: there is none, clients talk to a node
}

// scheme is by which clients come, as nodes are to be told; empty: nobody tells them.
func (p *peer) scheme() string {
	if p.process == nil {
		return ""
	}
	return p.variant.scheme()
}

// pids are the processes that do the work.
func (p *peer) pids() []int {
	if p.process == nil {
		return []int{os.Getpid()}
	}
	return p.process.PIDs()
}

// settings are what the templates are filled with.
type settings struct {
	variant
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

// start starts a server and returns when it answers.
func (b *bench) start(k *kind, v variant) (*peer, error) {
	dir, err := os.MkdirTemp(b.dir, k.name+"-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's worker is another user
		return nil, err
	}
	p := &peer{kind: k, variant: v}
	if p.addr, err = freePort(); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, k.config)
	if err := b.configure(k.config+".tmpl", file, p, dir); err != nil {
		return nil, err
	}
	p.process, err = measure.Start(k.name, b.serverCore, filepath.Join(dir, "log"), k.command(b, file, v)...)
	if err != nil {
		return nil, err
	}
	if err := b.await(p); err != nil {
		p.process.Stop()
		return nil, err
	}
	return p, nil
}

func (b *bench) configure(name, file string, p *peer, dir string) error {
	t, err := template.ParseFS(templates, name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	err = t.Execute(&text, settings{
		TLS: p.variant.tls, Log: p.variant.log, Dir: dir, Listen: p.addr, Scheme: p.variant.scheme(),
		Nodes: b.node.addrs, NodePort: b.node.addrs[0].Port(), Services: []string{"jmap", "webdav", "http"},
		Cert: b.cert.File, Key: b.cert.KeyFile, Pem: b.cert.BothFile, Files: b.files, Connections: b.files / 3,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// readyTime is how long a server may take until it answers: more than the first probes and their timeouts.
const readyTime = 15 * time.Second

// await asks until a request comes back from a node. The nodes are served meanwhile.
func (b *bench) await(p *peer) error {
	roots := x509.NewCertPool()
	roots.AddCert(b.cert.Leaf)
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: raw.ServerName},
	}}
	stop := b.serveNodes()
	defer stop()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		r, err := client.Get(p.variant.scheme() + "://" + p.addr.String() + "/jmap/ready")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusNoContent { // nobody but the node says that
				return nil
			}
			err = fmt.Errorf("status %d", r.StatusCode)
		}
		if err := p.process.Ended(); err != nil {
			return err
		}
		if time.Since(began) > readyTime {
			said, _ := os.ReadFile(p.process.Log)
			return fmt.Errorf("%s does not answer: %w: %s", p.kind.name, err, said)
		}
	}
}

// freePort is an address that nobody listens on at the moment.
func freePort() (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer l.Close()
	return netip.ParseAddrPort(l.Addr().String())
}
