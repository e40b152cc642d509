package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"b.yaml": "b", "a.yaml": "a", "10.yaml": "10", ".hidden.yaml": "x", "notes.txt": "x", "c.yml": "x"} {
		put(t, filepath.Join(dir, name), content)
	}
	source, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range source.Files {
		got = append(got, strings.TrimPrefix(f.Name, dir)+"="+string(f.Data))
	}
	if want := "/10.yaml=10 /a.yaml=a /b.yaml=b"; strings.Join(got, " ") != want {
		t.Errorf("files %v, want %s", got, want)
	}
}

// The way in which Kubernetes mounts a ConfigMap: a.yaml -> ..data/a.yaml, ..data -> ..2024.
func TestReadLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "..one", "a.yaml"), "one")
	for link, target := range map[string]string{"..data": "..one", "a.yaml": "..data/a.yaml"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "a.yaml")} {
		source, err := Read(path)
		if err != nil || len(source.Files) != 1 || string(source.Files[0].Data) != "one" || source.Files[0].Name != filepath.Join(dir, "a.yaml") {
			t.Errorf("Read(%s) = %+v, %v", path, source, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	large := bytes.Repeat([]byte("#23456789012345\n"), maxSource/16)
	put(t, filepath.Join(dir, "large.yaml"), string(large)+"#")
	put(t, filepath.Join(dir, "both", "a.yaml"), string(large))
	put(t, filepath.Join(dir, "both", "b.yaml"), "#")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "none"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{"large.yaml", "large.yaml:1:1: a topology has at most 16 MiB in all"},
		{"both", "both/b.yaml:1:1: a topology has at most 16 MiB in all"},
		{"fifo.yaml", "fifo.yaml:1:1: not a regular file"},
		{"missing.yaml", "missing.yaml:1:1: no such file or directory"},
		{"none", "none:1:1: no *.yaml file in this directory"},
	} {
		_, err := Read(filepath.Join(dir, c.name))
		var problems Problems
		if !errors.As(err, &problems) || problems.Error() != dir+"/"+c.want {
			t.Errorf("Read(%s) = %v, want %s", c.name, err, c.want)
		}
	}
}

func TestSourceEqual(t *testing.T) {
	a := Source{Path: "x", Files: []File{{"a", []byte("1")}, {"b", []byte("2")}}}
	for _, c := range []struct {
		b    Source
		want bool
	}{
		{Source{Path: "y", Files: []File{{"a", []byte("1")}, {"b", []byte("2")}}}, true},
		{Source{Path: "x", Files: []File{{"a", []byte("1")}}}, false},
		{Source{Path: "x", Files: []File{{"a", []byte("1")}, {"b", []byte("3")}}}, false},
		{Source{Path: "x", Files: []File{{"a", []byte("1")}, {"c", []byte("2")}}}, false},
	} {
		if got := a.Equal(c.b); got != c.want {
			t.Errorf("Equal(%v) = %t", c.b, got)
		}
	}
}
