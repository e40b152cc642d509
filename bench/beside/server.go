//go:build linux

package beside

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"posthouse/bench/measure"
)

// Kind is a program that is compared. V is the ways in which it can be configured.
type Kind[V comparable] struct {
	Name    string
	Ours    bool   // no peer: a form of ours
	Config  string // what its configuration is called; .tmpl is the template's
	Command func(s *Site, file string, v V) []string
}

// here says whether the kind's program is on this machine.
func (k *Kind[V]) here(s *Site) bool {
	var v V
	_, err := exec.LookPath(k.Command(s, "", v)[0])
	return err == nil
}

// Server is one that runs.
type Server[V comparable] struct {
	Kind    *Kind[V]
	Variant V
	Addr    netip.AddrPort // where it listens
	Dir     string         // what is its own

	process *measure.Process // nil: there is none, and clients talk to a node
}

// Direct is no server: clients go to this address of a node.
func Direct[V comparable](node netip.AddrPort) *Server[V] { return &Server[V]{Addr: node} }

// Direct says that there is no server.
func (p *Server[V]) Direct() bool { return p.process == nil }

// PIDs are the processes that do the work.
func (p *Server[V]) PIDs() []int {
	if p.process == nil {
		return []int{os.Getpid()}
	}
	return p.process.PIDs()
}

// Memory is what a server's processes hold, and what the kernel holds for all.
func (p *Server[V]) Memory() (m Memory, err error) {
	if m.Kernel, err = measure.KernelMemory(); err != nil || p.process == nil {
		return m, err
	}
	m.Process, err = measure.PSS(p.process.PIDs())
	return m, err
}

// Memory is in bytes.
type Memory struct{ Process, Kernel int64 }

// Less is how much more there is than there was.
func (m Memory) Less(before Memory) Memory {
	return Memory{m.Process - before.Process, m.Kernel - before.Kernel}
}

// Start starts a server and returns when it answers.
func (c *Contest[V]) Start(k *Kind[V], v V) (*Server[V], error) {
	dir, err := os.MkdirTemp(c.Site.Dir, k.Name+"-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's worker is another user
		return nil, err
	}
	p := &Server[V]{Kind: k, Variant: v, Dir: dir}
	if p.Addr, err = freePort(); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, k.Config)
	if err := fill(c.Templates, k.Config+".tmpl", file, c.Settings(p)); err != nil {
		return nil, err
	}
	p.process, err = measure.Start(k.Name, c.Site.ServerCore, filepath.Join(dir, "log"), k.Command(c.Site, file, v)...)
	if err != nil {
		return nil, err
	}
	if err := c.await(p); err != nil {
		p.process.Stop()
		return nil, err
	}
	return p, nil
}

// Stop ends a server.
func (p *Server[V]) Stop() { p.process.Stop() }

func fill(templates fs.FS, name, file string, settings any) error {
	t, err := template.ParseFS(templates, name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, settings); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// readyTime is how long a server may take until it answers: more than the first probes and their timeouts.
const readyTime = 15 * time.Second

// await asks until a node answers through the server.
func (c *Contest[V]) await(p *Server[V]) error {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := c.Answers(p)
		if err == nil {
			return nil
		}
		if err := p.process.Ended(); err != nil {
			return err
		}
		if time.Since(began) > readyTime {
			said, _ := os.ReadFile(p.process.Log)
			return fmt.Errorf("%s does not answer: %w: %s", p.Kind.Name, err, said)
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
