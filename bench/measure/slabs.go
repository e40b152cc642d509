//go:build linux

package measure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// slab is one of the kernel's caches of small objects.
type slab struct {
	name string
	used int64 // objects
	each int64 // bytes of memory for an object: its share of the pages that it lies in
}

// SlabMemory is the memory of the objects of the kernel that are in use. Whole slabs would say what is set aside for objects: sessions
// that are gone leave slabs behind, and new ones lie in those. Left out is what the kernel caches of files, as others on the machine
// read files: but for the inodes and directory entries of sockets it gives that back when memory is short.
func SlabMemory() (int64, error) {
	info, err := os.ReadFile("/proc/slabinfo")
	if errors.Is(err, fs.ErrPermission) {
		return 0, fmt.Errorf("the kernel's memory is for root to see: %w", err)
	}
	if err != nil {
		return 0, err
	}
	slabs, err := readSlabs(info)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, s := range slabs {
		used, err := s.held()
		if err != nil {
			return 0, err
		}
		sum += used * s.each
	}
	return sum, nil
}

// held is how many objects somebody holds.
func (s *slab) held() (int64, error) {
	switch {
	case s.name == "sock_inode_cache":
		return s.used, nil
	case s.name == "dentry":
		return heldDentries()
	case s.reclaimed():
		return 0, nil
	}
	return s.used, nil
}

// reclaimed says whether the kernel gives objects back when memory is short.
func (s *slab) reclaimed() bool {
	b, err := os.ReadFile(filepath.Join("/sys/kernel/slab", s.name, "reclaim_account"))
	return err == nil && bytes.HasPrefix(b, []byte("1"))
}

// heldDentries are the directory entries in use: not those that are kept for whoever opens the file again. A socket has one.
func heldDentries() (int64, error) {
	state, err := os.ReadFile("/proc/sys/fs/dentry-state")
	if err != nil {
		return 0, err
	}
	var all, unused int64
	_, err = fmt.Sscan(string(state), &all, &unused)
	return all - unused, err
}

// readSlabs reads /proc/slabinfo, version 2.1.
func readSlabs(info []byte) (slabs []slab, err error) {
	for line := range bytes.Lines(info) {
		f := bytes.Fields(line)
		if len(f) == 0 || f[0][0] == '#' || string(f[0]) == "slabinfo" {
			continue
		}
		if len(f) < 6 {
			return nil, fmt.Errorf("/proc/slabinfo: %q", line)
		}
		var n [5]int64 // objects in use and in all, bytes and objects of a slab and pages
		for i := range n {
			if n[i], err = strconv.ParseInt(string(f[1+i]), 10, 64); err != nil {
				return nil, fmt.Errorf("/proc/slabinfo: %q: %w", line, err)
			}
		}
		used, perSlab, pages := n[0], n[3], n[4]
		if perSlab > 0 {
			slabs = append(slabs, slab{string(f[0]), used, pages * int64(os.Getpagesize()) / perSlab})
		}
	}
	return slabs, nil
}
