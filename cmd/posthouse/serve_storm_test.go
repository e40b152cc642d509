package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestStorm changes the topology 1,000 times in each of the ways in which files are changed, while sessions come: the
// last content is in effect within 2 s, and no content that was never whole ever is.
func TestStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for name, change := range map[string]func(t *testing.T, path, text string, i int){
		"rename":            replaceByRename,
		"in place":          writeInPlace,
		"symbolic link":     swapLink,
		"delete and create": deleteAndCreate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServed(t, 2)
			change(t, s.path, s.marked(0), 0)
			s.start()
			const changes = 1000
			for i := 1; i <= changes; i++ {
				change(t, s.path, s.marked(i), i)
				if i%100 == 0 {
					if node := s.greeting(); node == "" {
						t.Fatalf("no node greets after %d changes", i)
					}
				}
			}
			looks := 0 // a look is 10 ms, or more where the machine is busy with something else
			poll(t, "the last content to be in effect", func() bool { looks++; return s.mark() == changes })
			if late := time.Duration(looks-1) * pollPause; late > 2*time.Second {
				t.Errorf("the last content was in effect after %v, want at most 2 s", late)
			}
			if got := s.metric(`posthouse_reloads_total{result="held"}`); got != "0" {
				t.Errorf("%s contents were held, want 0: every one of them has all nodes", got)
			}
			// Written in place or created anew, a content may be seen only once it is whole, since nobody pauses in the middle.
			if got := s.metric(`posthouse_reloads_total{result="refused"}`); got != "0" && name != "delete and create" {
				t.Errorf("%s contents were refused, want 0\n%s", got, s.log.String())
			}
		})
	}
}

// marked is a topology that says in its weights which one it is.
func (s *served) marked(i int) string {
	return s.topology(2, fmt.Sprintf("overrides: {node-1: {weight: %d}, node-2: {weight: %d}}\n", i+1, i+1))
}

// mark is which one is in effect; -1 if it is a mixture.
func (s *served) mark() int {
	nodes := s.balancer.Topology().Nodes
	if nodes[0].Weight != nodes[1].Weight {
		return -1
	}
	return nodes[0].Weight - 1
}

func replaceByRename(t *testing.T, path, text string, _ int) {
	put(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func writeInPlace(t *testing.T, path, text string, _ int) { put(t, path, text) }

// swapLink is what Kubernetes does for a mounted ConfigMap: the file leads through ..data to a directory of its own.
func swapLink(t *testing.T, path, text string, i int) {
	dir := filepath.Dir(path)
	version := fmt.Sprintf("..%d", i)
	if err := os.Mkdir(filepath.Join(dir, version), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, version, filepath.Base(path)), text)
	if err := os.Symlink(version, filepath.Join(dir, "..tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if i == 0 {
		if err := os.Symlink("..data/"+filepath.Base(path), path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..%d", i-1))); err != nil {
		t.Fatal(err)
	}
}

func deleteAndCreate(t *testing.T, path, text string, i int) {
	if i > 0 {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	put(t, path, text)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
