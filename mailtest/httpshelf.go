package mailtest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-webdav"
)

// maxShelf is how many objects an account can have of a kind, so that a load test does not fill the memory.
const maxShelf = 1000

// shelf is the collections of an account and the objects in them: calendars with events, or address books with cards.
// The zero value is empty and ready.
type shelf[T any] struct {
	mu          sync.Mutex // guards the following
	collections map[string]string
	objects     map[string]item[T]
}

// item is an object; it is never changed.
type item[T any] struct {
	path     string
	etag     string
	size     int64
	modified time.Time
	data     T
}

func notFound(name string) error {
	return webdav.NewHTTPError(http.StatusNotFound, fmt.Errorf("no %s", name))
}

// directory is the path of a collection as the shelf has it.
func directory(name string) string { return strings.TrimSuffix(name, "/") + "/" }

func (s *shelf[T]) create(name, title string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.collections[directory(name)]; there {
		return webdav.NewHTTPError(http.StatusMethodNotAllowed, errors.New("it is there already")) // RFC 4918, 9.3.1
	}
	if s.collections == nil {
		s.collections, s.objects = make(map[string]string), make(map[string]item[T])
	}
	s.collections[directory(name)] = title
	return nil
}

// list is the paths of the collections, in order.
func (s *shelf[T]) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.collections))
}

func (s *shelf[T]) title(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	title, ok := s.collections[directory(name)]
	if !ok {
		return "", notFound(name)
	}
	return title, nil
}

func (s *shelf[T]) in(name string) []item[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []item[T]
	for _, at := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(at, directory(name)) {
			all = append(all, s.objects[at])
		}
	}
	return all
}

func (s *shelf[T]) item(name string) (item[T], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[name]
	if !ok {
		return found, notFound(name)
	}
	return found, nil
}

// put stores an object, with its text for the ETag, if the conditions of RFC 9110, 13.1, hold.
func (s *shelf[T]) put(name string, text []byte, data T, match, noneMatch webdav.ConditionalMatch) (item[T], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, there := s.objects[name]
	switch {
	case match.IsSet() && (!there || !matches(match, old.etag)), noneMatch.IsSet() && there && matches(noneMatch, old.etag):
		return old, webdav.NewHTTPError(http.StatusPreconditionFailed, errors.New("it has changed"))
	case s.collections[directory(path.Dir(name))] == "":
		return old, webdav.NewHTTPError(http.StatusConflict, fmt.Errorf("no %s", path.Dir(name)))
	case !there && len(s.objects) >= maxShelf:
		return old, webdav.NewHTTPError(http.StatusInsufficientStorage, errors.New("full"))
	}
	sum := fnv.New64a()
	sum.Write(text)
	fresh := item[T]{path: name, etag: fmt.Sprintf("%x", sum.Sum64()), size: int64(len(text)), modified: time.Now(), data: data}
	s.objects[name] = fresh
	return fresh, nil
}

func matches(m webdav.ConditionalMatch, etag string) bool {
	wanted, err := m.ETag()
	return m.IsWildcard() || err == nil && wanted == etag
}

// remove takes away an object, or a collection with what is in it.
func (s *shelf[T]) remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.objects[name]; there {
		delete(s.objects, name)
		return nil
	}
	if _, there := s.collections[directory(name)]; !there {
		return notFound(name)
	}
	delete(s.collections, directory(name))
	maps.DeleteFunc(s.objects, func(at string, _ item[T]) bool { return strings.HasPrefix(at, directory(name)) })
	return nil
}
