//go:build linux

package measure

import (
	"os"
	"slices"
	"testing"
)

func TestReadSlabs(t *testing.T) {
	page := int64(os.Getpagesize())
	for _, tt := range []struct {
		info string
		want []slab // nil: it is wrong
	}{
		{"slabinfo - version: 2.1\n# name <active_objs> ...\n", []slab{}},
		{"TCP 65 117 2368 13 8 : tunables 0 0 0 : slabdata 9 9 0\n", []slab{{"TCP", 65, 8 * page / 13}}},
		{"a 1 2 64 64 1 : tunables\nb 3 4 32 128 1 : tunables\n", []slab{{"a", 1, page / 64}, {"b", 3, page / 128}}},
		{"none 0 0 64 0 1 : tunables\n", []slab{}},
		{"TCP 65 117 2368 13\n", nil},
		{"TCP 65 many 2368 13 8\n", nil},
	} {
		got, err := readSlabs([]byte(tt.info))
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
			t.Errorf("readSlabs(%q) = %v, %v; want %v", tt.info, got, err, tt.want)
		}
	}
}

// TestReclaimed asks the kernel that runs: cached pages and files are not what a session costs, sockets and open files are.
func TestReclaimed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the kernel's caches are for root to see")
	}
	for name, want := range map[string]bool{"proc_inode_cache": true, "radix_tree_node": true, "TCP": false, "filp": false, "eventpoll_epi": false} {
		if _, err := os.Stat("/sys/kernel/slab/" + name); err != nil {
			continue // in this kernel it has another name
		}
		if got := (&slab{name: name}).reclaimed(); got != want {
			t.Errorf("%s reclaimed: %t, want %t", name, got, want)
		}
	}
}
