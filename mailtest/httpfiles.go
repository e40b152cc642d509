package mailtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-webdav"
)

const (
	maxFile  = 16 << 20 // bytes: a file is held in memory; for large bodies there are uploads
	maxFiles = 10_000   // of an account
)

// files is a file system in memory (webdav.FileSystem). Its names are absolute, as URLs have them.
type files struct {
	mu      sync.Mutex // guards the following
	entries map[string]*entry
	changes int // so far, for ETags
}

// entry is a file or directory; it is never changed.
type entry struct {
	webdav.FileInfo
	text []byte
}

// root is above all homes; it is always there.
const root = "/dav/file"

func clean(name string) string { return path.Clean("/" + name) }

// open is a file's content; a directory has none.
type open struct{ *bytes.Reader }

func (open) Close() error { return nil }

// Open implements webdav.FileSystem.
func (f *files) Open(_ context.Context, name string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entries[clean(name)]
	if e == nil {
		return nil, notFound(name)
	}
	return open{bytes.NewReader(e.text)}, nil
}

// Stat implements webdav.FileSystem.
func (f *files) Stat(_ context.Context, name string) (*webdav.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entries[clean(name)]
	if e == nil {
		return nil, notFound(name)
	}
	info := e.FileInfo
	return &info, nil
}

// ReadDir implements webdav.FileSystem; the directory itself is the first.
func (f *files) ReadDir(_ context.Context, name string, recursive bool) ([]webdav.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []webdav.FileInfo
	for _, at := range f.below(clean(name)) {
		if recursive || at == clean(name) || path.Dir(at) == clean(name) {
			all = append(all, f.entries[at].FileInfo)
		}
	}
	return all, nil
}

// below is a name and all that is in it, in order.
func (f *files) below(name string) []string {
	names := slices.Sorted(maps.Keys(f.entries))
	return slices.DeleteFunc(names, func(at string) bool { return at != name && !strings.HasPrefix(at, name+"/") })
}

// Create implements webdav.FileSystem.
func (f *files) Create(_ context.Context, name string, body io.ReadCloser) (*webdav.FileInfo, bool, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxFile+1))
	if err != nil {
		return nil, false, webdav.NewHTTPError(http.StatusBadRequest, err)
	}
	if len(text) > maxFile {
		return nil, false, webdav.NewHTTPError(http.StatusInsufficientStorage, fmt.Errorf("a file has at most %d bytes", maxFile))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.entries[clean(name)]
	if old != nil && old.IsDir {
		return nil, false, webdav.NewHTTPError(http.StatusMethodNotAllowed, errors.New("a directory"))
	}
	e, err := f.add(clean(name), text, false)
	if err != nil {
		return nil, false, err
	}
	return &e.FileInfo, old == nil, nil
}

// add stores an entry, where there is a directory for it.
func (f *files) add(name string, text []byte, dir bool) (*entry, error) {
	parent := f.entries[path.Dir(name)]
	switch {
	case path.Dir(name) != root && (parent == nil || !parent.IsDir):
		return nil, webdav.NewHTTPError(http.StatusConflict, fmt.Errorf("no directory %s", path.Dir(name))) // RFC 4918, 9.7.1
	case len(f.entries) >= maxFiles:
		return nil, webdav.NewHTTPError(http.StatusInsufficientStorage, errors.New("full"))
	case f.entries == nil:
		f.entries = make(map[string]*entry)
	}
	f.changes++
	e := &entry{webdav.FileInfo{Path: name, Size: int64(len(text)), ModTime: time.Now(), IsDir: dir, ETag: fmt.Sprint(f.changes)}, text}
	if dir {
		e.Path += "/"
	}
	f.entries[name] = e
	return e, nil
}

// RemoveAll implements webdav.FileSystem.
func (f *files) RemoveAll(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.removeAll(clean(name))
}

func (f *files) removeAll(name string) error {
	if f.entries[name] == nil {
		return notFound(name)
	}
	for _, at := range f.below(name) {
		delete(f.entries, at)
	}
	return nil
}

// Mkdir implements webdav.FileSystem.
func (f *files) Mkdir(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.entries[clean(name)] != nil {
		return webdav.NewHTTPError(http.StatusMethodNotAllowed, errors.New("it is there already")) // RFC 4918, 9.3.1
	}
	_, err := f.add(clean(name), nil, true)
	return err
}

// Copy implements webdav.FileSystem.
func (f *files) Copy(_ context.Context, from, to string, o *webdav.CopyOptions) (created bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.copy(clean(from), clean(to), !o.NoOverwrite, !o.NoRecursive)
}

// Move implements webdav.FileSystem.
func (f *files) Move(_ context.Context, from, to string, o *webdav.MoveOptions) (created bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if created, err = f.copy(clean(from), clean(to), !o.NoOverwrite, true); err != nil {
		return false, err
	}
	return created, f.removeAll(clean(from))
}

func (f *files) copy(from, to string, overwrite, recursive bool) (created bool, err error) {
	created = f.entries[to] == nil
	switch {
	case f.entries[from] == nil:
		return false, notFound(from)
	case !strings.HasPrefix(to, root+"/"), from == to, strings.HasPrefix(to, from+"/"), strings.HasPrefix(from, to+"/"):
		return false, webdav.NewHTTPError(http.StatusForbidden, errors.New("not there")) // RFC 4918, 9.8.5
	case !created && !overwrite:
		return false, os.ErrExist
	}
	all := f.below(from)
	if !recursive {
		all = all[:1]
	}
	if !created {
		f.removeAll(to) // RFC 4918, 9.8.4
	}
	for _, at := range all {
		e := f.entries[at]
		if _, err := f.add(to+strings.TrimPrefix(at, from), e.text, e.IsDir); err != nil {
			return false, err
		}
	}
	return created, nil
}
