package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxSource bounds a topology in bytes, all files together. 16,384 nodes of one line each are 2 MiB.
const maxSource = 16 << 20

// Source is the bytes of a topology: of one file, or of a directory's *.yaml files in lexical order.
type Source struct {
	Path  string // as given
	Files []File
}

// File is one file of a Source, named as an editor would open it.
type File struct {
	Name string
	Data []byte
}

// Equal says whether two sources have the same files with the same bytes.
func (s Source) Equal(o Source) bool {
	return slices.EqualFunc(s.Files, o.Files, func(a, b File) bool {
		return a.Name == b.Name && bytes.Equal(a.Data, b.Data)
	})
}

// Read takes the bytes of a file, or of the *.yaml files of a directory. Symbolic links are followed; hidden files
// are left out. The files of a directory are all of one moment: where links or files change during the read, it is
// done again. Its error is Problems.
func Read(path string) (Source, error) {
	source, err := read(path)
	var problems Problems
	if err == nil || errors.As(err, &problems) {
		return source, err
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return source, Problems{{File: pathError.Path, Message: pathError.Err.Error()}}
	}
	return source, Problems{{File: path, Message: err.Error()}}
}

func read(path string) (Source, error) {
	for attempt := 0; ; attempt++ {
		before, err := entriesOf(path)
		if err != nil {
			return Source{}, err
		}
		source, err := readAll(path, before)
		after, listErr := entriesOf(path)
		if listErr == nil && slices.Equal(before, after) {
			return source, err
		}
		if attempt == 10 {
			return Source{}, Problems{{File: path, Message: "changes while it is read"}}
		}
		time.Sleep(time.Duration(attempt) * time.Millisecond) // a writer gets a moment to finish
	}
}

// entry is a file of the source and what it is at the moment: a swapped link or a write shows as a difference.
type entry struct {
	name, target string
	size         int64
	modified     time.Time
}

func entriesOf(path string) ([]entry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	names := []string{path}
	if info.IsDir() {
		if names, err = yamlFiles(path); err != nil {
			return nil, err
		}
	}
	entries := make([]entry, len(names))
	for i, name := range names {
		if entries[i], err = stat(name); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func yamlFiles(dir string) ([]string, error) {
	all, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range all {
		if strings.HasSuffix(f.Name(), ".yaml") && !strings.HasPrefix(f.Name(), ".") {
			names = append(names, filepath.Join(dir, f.Name()))
		}
	}
	if names == nil {
		return nil, Problems{{File: dir, Message: "no *.yaml file in this directory"}}
	}
	return names, nil
}

func stat(name string) (entry, error) {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return entry{}, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return entry{}, err
	}
	if !info.Mode().IsRegular() { // opening a FIFO would wait for a writer
		return entry{}, Problems{{File: name, Message: "not a regular file"}}
	}
	return entry{name, target, info.Size(), info.ModTime()}, nil
}

func readAll(path string, entries []entry) (Source, error) {
	source := Source{Path: path}
	left := int64(maxSource)
	for _, e := range entries {
		data, err := readFile(e.target, left)
		if errors.Is(err, errTooLarge) {
			return Source{}, Problems{{File: e.name, Message: fmt.Sprintf("a topology has at most %d MiB in all", maxSource>>20)}}
		}
		if err != nil {
			return Source{}, err
		}
		left -= int64(len(data))
		source.Files = append(source.Files, File{e.name, data})
	}
	return source, nil
}

var errTooLarge = errors.New("too large")

func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, err
}
