package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkWatcher is the time from a change to its delivery. In place it is the quiet time and little more.
func BenchmarkWatcher(b *testing.B) {
	for _, kind := range []struct {
		name   string
		change func(path, content string) error
	}{
		{"rename", func(path, content string) error {
			os.WriteFile(path+".tmp", []byte(content), 0o600)
			return os.Rename(path+".tmp", path)
		}},
		{"link", func(path, content string) error {
			os.WriteFile(path+"."+content, []byte(content), 0o600)
			os.Symlink(path+"."+content, path+".tmp")
			return os.Rename(path+".tmp", path)
		}},
		{"in-place", func(path, content string) error { return os.WriteFile(path, []byte(content), 0o600) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "x.yaml")
			delivered := make(chan Source)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- (&Watcher{Path: path}).Run(ctx, func(s Source) { delivered <- s }) }()
			if err := kind.change(path, "first"); err != nil {
				b.Fatal(err)
			}
			<-delivered
			for n := 0; b.Loop(); n++ {
				if err := kind.change(path, fmt.Sprint(n)); err != nil {
					b.Fatal(err)
				}
				<-delivered
			}
			cancel()
			<-ended
		})
	}
}

// BenchmarkSurvey is what a look costs, once a second and at each change.
func BenchmarkSurvey(b *testing.B) {
	for _, files := range []int{1, 100} {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			dir := b.TempDir()
			for i := range files {
				if err := os.WriteFile(fmt.Sprintf("%s/%03d.yaml", dir, i), []byte("x"), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				survey(dir)
			}
		})
	}
}
