package config

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse: no file brings the parser down, and what it accepts keeps its promises.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "../examples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, true)
		}
	}
	for _, text := range bombs {
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, serve bool) {
		if len(data) > 64<<10 {
			return
		}
		topology, err := Parse(Source{Path: "t.yaml", Files: []File{{"t.yaml", data}}}, Options{Serve: serve})
		if err != nil {
			for _, p := range err.(Problems) {
				if p.File == "" || p.Message == "" {
					t.Errorf("a problem without file or message: %+v", p)
				}
			}
			return
		}
		promises(t, topology)
	})
}

// promises are what the other packages take for granted.
func promises(t *testing.T, topology *Topology) {
	if topology.Cluster == "" || len(topology.Nodes) == 0 || topology.RegionNamed(topology.Region) == nil {
		t.Errorf("cluster %q, %d nodes, region %q", topology.Cluster, len(topology.Nodes), topology.Region)
	}
	names := make(map[string]bool)
	for _, n := range topology.Nodes {
		if names[n.Name] || topology.RegionNamed(n.Region) == nil || (n.Host == "") != (len(n.Addresses) > 0) {
			t.Errorf("node %+v", n)
		}
		names[n.Name] = true
		for _, name := range n.Services {
			if s := topology.Service(name); s == nil || n.Port(s) == 0 {
				t.Errorf("node %s runs %s at port 0 or not at all", n.Name, name)
			}
		}
	}
	for _, s := range topology.Services {
		if s.Protocol == "" || s.Attempts < 1 || s.Timeouts.Idle <= 0 || s.Check.Interval <= 0 {
			t.Errorf("service %+v", s)
		}
	}
	topology.Listeners()
	topology.Reachable()
	Shrink(topology, topology)
}
