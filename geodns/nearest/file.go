package nearest

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/oschwald/maxminddb-golang/v2"
	"golang.org/x/sys/unix"
)

// maxFile is several times the largest database that is sold.
const maxFile = 1 << 30

// File is a database in memory. It is read rather than mapped, because a mapped file that somebody writes in place ends the process with
// SIGBUS; into memory of its own rather than the heap, because it is needed for a second or two only and would let the heap
// grow to twice its size.
type File struct {
	*maxminddb.Reader
	memory []byte
}

// Open reads a database. The caller closes it, and uses nothing of it afterwards.
func Open(path string) (*File, error) {
	memory, err := readAll(path)
	if err != nil {
		return nil, err
	}
	db, err := maxminddb.OpenBytes(memory)
	if err != nil {
		unix.Munmap(memory)
		return nil, fmt.Errorf("%s: %w: geoip takes a database in MaxMind's format (.mmdb)", path, err)
	}
	return &File{db, memory}, nil
}

// Files are databases in memory, one for all addresses or one for each family.
type Files []*File

// OpenAll reads databases. The caller closes them, and uses nothing of them afterwards.
func OpenAll(paths []string) (Files, error) {
	var all Files
	for _, path := range paths {
		f, err := Open(path)
		if err != nil {
			all.Close()
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// Readers is what New and Explain take.
func (all Files) Readers() []*maxminddb.Reader {
	readers := make([]*maxminddb.Reader, len(all))
	for i, f := range all {
		readers[i] = f.Reader
	}
	return readers
}

// Close gives the memory back.
func (all Files) Close() {
	for _, f := range all {
		f.Close()
	}
}

// Close gives the memory back.
func (f *File) Close() error {
	return errors.Join(f.Reader.Close(), unix.Munmap(f.memory))
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: not a file of 1 byte to %d MiB", path, maxFile>>20)
	}
	memory, err := unix.Mmap(-1, 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("%s: memory for it: %w", path, err)
	}
	if _, err := io.ReadFull(f, memory); err != nil {
		unix.Munmap(memory)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return memory, nil
}

// stamp tells one content of a file from the next without reading it; zero: nothing is there.
type stamp struct {
	device, inode uint64
	size          int64
	mtime, ctime  unix.Timespec
}

func stampOf(path string) stamp {
	var s unix.Stat_t // of what a link leads to: a mounted volume changes by swapping one
	if path == "" || unix.Stat(path, &s) != nil {
		return stamp{}
	}
	return stamp{uint64(s.Dev), s.Ino, s.Size, s.Mtim, s.Ctim}
}
