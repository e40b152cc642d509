package config

import (
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestPending(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	type step struct {
		after time.Duration
		swap  bool
	}
	for _, test := range []struct {
		name  string
		steps []step
		due   time.Duration
	}{
		{"a swap is quick", []step{{0, true}}, settle},
		{"a write is not", []step{{0, false}}, quiet},
		{"each swap settles anew", []step{{0, true}, {20 * time.Millisecond, true}}, 20*time.Millisecond + settle},
		{"each write rests anew", []step{{0, false}, {299 * time.Millisecond, false}}, 599 * time.Millisecond},
		{"a write after a swap needs the quiet time", []step{{0, true}, {time.Millisecond, false}}, time.Millisecond + quiet},
		{"a swap after a write replaces what was written", []step{{0, false}, {time.Millisecond, true}}, time.Millisecond + settle},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p pending
			for _, s := range test.steps {
				p.note(at(s.after), s.swap)
			}
			if p.ready(at(test.due-1)) || !p.ready(at(test.due)) {
				t.Errorf("due %v after the start, want %v", p.due.Sub(start), test.due)
			}
		})
	}
}

func TestPendingHastens(t *testing.T) {
	now := time.Now()
	var p pending
	if p.ready(now) {
		t.Error("nothing is pending, but ready")
	}
	if p.hasten(now); !p.ready(now) {
		t.Error("hastened, but not ready")
	}
	p = pending{}
	p.note(now, false)
	if p.hasten(now); p.ready(now) {
		t.Error("hastened a file that is being written")
	}
}

func TestPendingIsTiresomeOnce(t *testing.T) {
	now := time.Now()
	var p pending
	said := 0
	for range 3 * int(patience/quiet) {
		p.note(now, false)
		if p.tiresome(now) {
			said++
		}
		now = now.Add(quiet - time.Millisecond)
	}
	if said != 1 {
		t.Errorf("said %d times that writing takes long, want once", said)
	}
}

func TestArrival(t *testing.T) {
	const create, rename, remove, write = fsnotify.Create, fsnotify.Rename, fsnotify.Remove, fsnotify.Write
	for _, test := range []struct {
		name   string
		events []fsnotify.Event
		moved  bool
	}{
		{"a rename", []fsnotify.Event{{Name: "/d/tmp", Op: rename}, {Name: "/d/x", Op: create}}, true},
		{"a rename with a write between", []fsnotify.Event{{Name: "/d/tmp", Op: rename}, {Name: "/d/y", Op: write}, {Name: "/d/x", Op: create}}, true},
		{"a rename, and the next one begins", []fsnotify.Event{{Name: "/d/tmp", Op: rename}, {Name: "/d/x", Op: create}, {Name: "/d/tmp", Op: create}}, true},
		{"a rename that is written to", []fsnotify.Event{{Name: "/d/tmp", Op: rename}, {Name: "/d/x", Op: create}, {Name: "/d/x", Op: write}}, false},
		{"a file created here", []fsnotify.Event{{Name: "/d/x", Op: create}}, false},
		{"moved away and created again", []fsnotify.Event{{Name: "/d/x", Op: rename}, {Name: "/d/x", Op: create}}, false},
		{"an editor's backup and a new file", []fsnotify.Event{{Name: "/d/x", Op: rename}, {Name: "/d/x~", Op: create}, {Name: "/d/x", Op: create}}, false},
		{"something else left before", []fsnotify.Event{{Name: "/d/a", Op: rename}, {Name: "/d/b", Op: remove}, {Name: "/d/x", Op: create}}, false},
		{"another directory's file left", []fsnotify.Event{{Name: "/e/tmp", Op: rename}, {Name: "/d/x", Op: create}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var a arrival
			for _, e := range test.events {
				a.follow(e, e.Name == "/d/x")
			}
			if moved := a.moved && a.path == "/d/x"; moved != test.moved {
				t.Errorf("arrival = %+v, want moved %v", a, test.moved)
			}
		})
	}
}

func TestSwapped(t *testing.T) {
	const path = "/d/x.yaml"
	node := func(inode uint64, size, mtime, ctime int64) stamp {
		return stamp{path: path, identity: identity{1, inode}, size: size, mtime: mtime, ctime: ctime}
	}
	link := func(inode uint64, ctime int64) stamp {
		return stamp{path: "/d/..data", identity: identity{1, inode}, size: 1, ctime: ctime}
	}
	single := func(end stamp, links ...stamp) view {
		f := file{end: end, links: links}
		return view{root: f, files: []file{f}}
	}
	folder := func(files ...file) view { return view{directory: true, files: files} }
	moved, came := arrival{path: path, moved: true}, arrival{path: path}
	old := node(1, 10, 100, 100)
	gone := stamp{path: path}

	for _, test := range []struct {
		name     string
		old, new view
		arrival  arrival
		want     bool
	}{
		{"rename in one clock tick", single(old), single(node(2, 10, 200, 200)), moved, true},
		{"rename from elsewhere, later than its last write", single(old), single(node(2, 10, 200, 201)), came, true},
		{"rename of an old file", single(old), single(node(2, 10, 50, 201)), came, true},
		{"rename to where nothing was", single(gone), single(node(2, 10, 200, 200)), moved, true},
		{"created here, or moved from elsewhere in one tick", single(old), single(node(2, 10, 200, 200)), came, false},
		{"another inode, nobody knows why", single(old), single(node(2, 10, 200, 201)), arrival{}, false},
		{"empty", single(old), single(node(2, 0, 200, 201)), moved, false},
		{"gone", single(old), single(gone), arrival{}, false},
		{"same inode, other size", single(old), single(node(1, 11, 200, 200)), moved, false},
		{"same inode, chmod", single(old), single(node(1, 10, 100, 200)), came, false},

		{"link swapped", single(old, link(7, 90)), single(node(2, 10, 200, 200), link(8, 200)), arrival{}, true},
		{"link swapped, written after it", single(old, link(7, 90)), single(node(2, 10, 201, 201), link(8, 200)), arrival{}, false},
		{"link kept, other inode behind it", single(old, link(7, 90)), single(node(2, 10, 200, 200), link(7, 90)), arrival{}, false},
		{"link touched while written in place", single(old, link(7, 90)), single(node(1, 5, 200, 200), link(7, 201)), arrival{}, false},
		{"link made anew to the same file, written in place", single(old, link(7, 90)), single(node(1, 5, 200, 200), link(8, 201)), arrival{}, false},
		{"link where a file was", single(old), single(node(2, 10, 200, 200), link(8, 201)), arrival{}, true},
		{"file moved over a link", single(old, link(7, 90)), single(node(2, 10, 200, 200)), moved, true},

		{"directory, one link leads to all", folder(file{"a", []stamp{link(7, 90)}, node(1, 1, 50, 50)}, file{"b", []stamp{link(7, 90)}, node(2, 1, 50, 50)}),
			folder(file{"a", []stamp{link(8, 200)}, node(3, 1, 150, 150)}, file{"b", []stamp{link(8, 200)}, node(4, 1, 150, 150)}), arrival{}, true},
		{"directory, only one of two", folder(file{"a", []stamp{link(7, 90)}, node(1, 1, 50, 50)}, file{"b", nil, node(2, 1, 50, 50)}),
			folder(file{"a", []stamp{link(8, 200)}, node(3, 1, 150, 150)}, file{"b", nil, node(2, 1, 50, 50)}), arrival{}, false},
		{"directory, a further file", folder(file{"a", []stamp{link(7, 90)}, node(1, 1, 50, 50)}),
			folder(file{"a", []stamp{link(8, 200)}, node(3, 1, 150, 150)}, file{"b", []stamp{link(8, 200)}, node(4, 1, 150, 150)}), arrival{}, false},
		{"directory, renamed over", folder(file{"a", nil, old}), folder(file{"a", nil, node(2, 10, 200, 201)}), moved, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.new.swapped(test.old, test.arrival); got != test.want {
				t.Errorf("swapped = %v, want %v", got, test.want)
			}
		})
	}
}
