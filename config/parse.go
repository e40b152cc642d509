package config

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options say how a topology is going to be used.
type Options struct {
	Region string // where this balancer stands, if the caller knows better than the file
	Serve  bool   // what would make serving impossible or unsafe is a mistake, not a warning
	Dir    string // what relative paths are relative to; "" is the directory of the source
}

// Load is Read and Parse.
func Load(path string, o Options) (*Topology, error) {
	source, err := Read(path)
	if err != nil {
		return nil, err
	}
	return Parse(source, o)
}

// Parse turns a source into a Topology. Its error is Problems: every mistake there is, in the order of the file.
func Parse(source Source, o Options) (*Topology, error) {
	l := &loader{source: source, options: o, dir: o.Dir}
	if l.dir == "" {
		l.dir = directory(source)
	}
	top := l.merged(source.Files)
	if l.unread {
		return nil, l.result()
	}
	t := l.topology(top)
	if err := l.result(); err != nil {
		return nil, err
	}
	l.warnings.sort()
	t.Warnings = l.warnings
	return t, nil
}

// directory is the source's own directory, found by its names: the source may be gone from the disk by now.
func directory(s Source) string {
	if len(s.Files) == 1 && s.Files[0].Name == s.Path {
		return filepath.Dir(s.Path)
	}
	return s.Path
}

// document is the top mapping: what can be read on its own, and what waits for other parts.
type document struct {
	Topology

	region, regions, roles, nodes, overrides, defaults, services, dns *node
}

func (l *loader) topology(top *node) *Topology {
	d := &document{Topology: Topology{
		StateDir: stateDirectory(), Deadline: 25 * time.Second, MaxShrink: 0.5, MinHealthy: 0.5,
		TLS: defaultTLS, Admin: Admin{Listen: defaultAdmin},
	}}
	s := scope{loader: l, seen: make(map[string]position)}
	documentKeys.read(s, d, top)
	l.required(s, d, top)

	b := &builder{scope: s, document: d, top: top.position}
	b.buildRegions()
	b.buildServices()
	b.buildRoles()
	b.buildNodes()
	b.checkTopology()
	return &d.Topology
}

func (l *loader) required(s scope, d *document, top *node) {
	for _, key := range []string{"cluster", "nodes"} {
		if _, given := s.seen[key]; !given {
			l.errorf(top.position, "the topology has no %q", key)
		}
	}
	if d.nodes != nil && len(d.nodes.items) == 0 {
		l.errorf(d.nodes.position, "nodes lists no node")
	}
}

// stateDirectory is the first of the directories that systemd made for the service (systemd.exec, StateDirectory=).
func stateDirectory() string {
	first, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	return first
}

// builder makes the parts of the topology that depend on each other, and checks them against each other.
type builder struct {
	scope
	*document

	top         position         // of what has no place of its own
	regionNodes map[string]*node // what the file says of a region
	regionNames []string
	entries     []*serviceEntry // in the order of Topology.Services
	roles       map[string]*Role
	roleNames   []string // as in the file
	nodeNamed   map[string]*Node
	full        bool               // the file has more nodes than it may have
	served      map[servedKey]bool // which services are run in which regions
	nodeAt      map[*Node]position
}
