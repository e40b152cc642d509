package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead over; Linux follows no more either.
const maxLinks = 40

// view is what a path leads to at one moment, told by stamps alone: nothing is read.
type view struct {
	root      file // what the path itself leads to
	directory bool
	files     []file // the one file, or every *.yaml of the directory that Read takes, in lexical order

	places []place         // the directories in which a change would make this view another
	names  map[string]bool // every name that was looked up
}

// file is one path and how it was reached.
type file struct {
	name  string // as it is looked up
	links []stamp
	end   stamp // zero size and identity: nothing there
}

// stamp is what lstat(2) says of a name. Equal stamps: the same inode with the same content, but for writes within
// one tick of the kernel's clock.
type stamp struct {
	path string
	identity
	size         int64
	mtime, ctime int64 // nanoseconds; ctime moves with a rename too
	mode         uint32
	target       string // of a link
}

type identity struct{ device, inode uint64 }

// place is a directory, by name and identity: under the same name there may be another one later.
type place struct {
	path string
	identity
}

func (v view) equal(o view) bool {
	return v.root.equal(o.root) && v.directory == o.directory && slices.EqualFunc(v.files, o.files, file.equal)
}

func (f file) equal(o file) bool {
	return f.name == o.name && f.end == o.end && slices.Equal(f.links, o.links)
}

func (f file) sameName(o file) bool { return f.name == o.name }

// concerns says whether an event of that name can make this view another.
func (v view) concerns(name string) bool {
	return v.names[name] ||
		v.directory && strings.HasSuffix(name, ".yaml") && filepath.Dir(name) == v.root.end.path
}

// survey looks at an absolute path.
func survey(path string) view {
	v := view{names: make(map[string]bool)}
	v.root = v.follow("/", path)
	v.root.name = "" // the same for every path: there is one
	v.directory = v.root.end.mode&unix.S_IFMT == unix.S_IFDIR
	if !v.directory {
		v.files = []file{v.root}
		return v
	}
	v.listen(v.root.end.path)
	entries, _ := os.ReadDir(v.root.end.path) // an error leaves none; Read will say it
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".yaml") && !strings.HasPrefix(name, ".") { // as Read does
			v.files = append(v.files, v.entry(name))
		}
	}
	return v
}

// entry looks at a file of the directory. Where the entry is a link itself, that link is left out: it shows in what it
// leads to, and its swap says nothing about the other files.
func (v *view) entry(name string) file {
	dir := v.root.end.path
	f := v.follow(dir, name)
	if len(f.links) > 0 && f.links[0].path == filepath.Join(dir, name) {
		f.links = f.links[1:]
	}
	f.links = append(slices.Clip(v.root.links), f.links...)
	return f
}

// follow goes from dir, which has no link in it, to where path leads, component by component as the kernel does.
func (v *view) follow(dir, path string) file {
	f := file{name: path}
	for rest := components(path); len(rest) > 0; {
		s := inspect(filepath.Join(dir, rest[0]))
		v.names[s.path] = true
		rest = rest[1:]
		link := s.mode&unix.S_IFMT == unix.S_IFLNK
		if link || len(rest) == 0 || s.inode == 0 {
			v.listen(dir)
		}
		if !link {
			f.end, dir = s, s.path
			if s.inode == 0 {
				return f
			}
			continue
		}
		f.links = append(f.links, s)
		if len(f.links) > maxLinks {
			return f
		}
		if filepath.IsAbs(s.target) {
			dir = "/"
		}
		rest = append(components(s.target), rest...)
	}
	return f
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// listen adds a directory to the places, once.
func (v *view) listen(dir string) {
	if slices.ContainsFunc(v.places, func(p place) bool { return p.path == dir }) {
		return
	}
	v.names[dir] = true // for what happens to the directory itself
	v.places = append(v.places, place{dir, inspect(dir).identity})
}

// inspect is lstat. What cannot be looked at counts as not there. Of a directory only the identity is told: its times
// move with every file in it, ours or not.
func inspect(path string) stamp {
	s := stamp{path: path}
	var stat unix.Stat_t
	if unix.Lstat(path, &stat) != nil {
		return s
	}
	s.identity = identity{uint64(stat.Dev), stat.Ino}
	s.mode = uint32(stat.Mode)
	switch s.mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return s
	case unix.S_IFLNK:
		s.target, _ = os.Readlink(path) // gone since: the next look sees it
	}
	s.size, s.mtime, s.ctime = stat.Size, stat.Mtim.Nano(), stat.Ctim.Nano()
	return s
}
