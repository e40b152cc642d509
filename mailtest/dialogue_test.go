package mailtest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"posthouse/config"
)

// TestDialogues plays testdata/*.txtar: each file in them, named service/what it shows, against a node of its own.
func TestDialogues(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("testdata: %v, %v", archives, err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			t.Run(f.Name, func(t *testing.T) {
				node, config := started(t, config.ProxyNone)
				service, _, _ := strings.Cut(f.Name, "/")
				if err := dialled(t, node, service, config).Play(string(f.Data)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
