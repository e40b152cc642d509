package config

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWatcherDeliversWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	write(t, path, "one")
	watchPath(t, path).wants("one")
	known, err := Read(path)
	must(t, err)
	replace(t, path, "two") // between the load and the watch
	w := watchPath(t, path, func(w *Watcher) { w.Known = known })
	w.wants("two")
	w.wantsNoMore("two")
}

func TestWatcherSteps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, base := filepath.Join(dir, "conf", "x.yaml"), filepath.Join(dir, "conf")
	must(t, os.Mkdir(base, 0o700))
	write(t, path, "start")
	w := watchPath(t, path)
	w.wants("start")
	for _, step := range []struct {
		name, content string
		change        func()
	}{
		{"rename", "a", func() { replace(t, path, "a") }},
		{"in place", "bb", func() { write(t, path, "bb") }},
		{"the same size in place", "cc", func() { write(t, path, "cc") }},
		{"truncated to nothing", "", func() { must(t, os.Truncate(path, 0)) }},
		{"from another directory", "d", func() { write(t, dir+"/tmp", "d"); must(t, os.Rename(dir+"/tmp", path)) }},
		{"hard link", "e", func() { write(t, dir+"/tmp", "e"); must(t, os.Remove(path), os.Link(dir+"/tmp", path)) }},
		{"deleted and created", "f", func() { must(t, os.Remove(path)); write(t, path, "f") }},
		{"a link where the file was", "g", func() {
			write(t, dir+"/target", "g")
			must(t, os.Symlink("../target", path+".tmp"), os.Rename(path+".tmp", path))
		}},
		{"the link's target in place", "h", func() { write(t, path, "h") }},
		{"the link's target renamed over", "i", func() { replace(t, dir+"/target", "i") }},
		{"the directory above moved away and made again", "j", func() {
			must(t, os.Rename(base, base+".old"), os.Mkdir(base, 0o700))
			write(t, path, "j")
		}},
		{"the directory above deleted and made again", "k", func() {
			must(t, os.RemoveAll(base), os.Mkdir(base, 0o700))
			write(t, path, "k")
		}},
		{"the directory above is a link now", "l", func() {
			must(t, os.Rename(base, base+".real"))
			write(t, base+".real/x.yaml", "l")
			must(t, os.Symlink(base+".real", base))
		}},
		{"the same content anew, then another", "m", func() { replace(t, path, "l"); write(t, path, "m") }},
	} {
		t.Log(step.name)
		step.change()
		w.wants(step.content)
	}
	w.wantsNoMore("m")
}

func TestWatcherGoneIsSaidOnce(t *testing.T) {
	t.Parallel()
	const gone, back = "cannot be read", "can be read again"
	base := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(base, "x.yaml")
	must(t, os.MkdirAll(base, 0o700))
	write(t, path, "one")
	w := watchPath(t, path)
	w.wants("one")

	must(t, os.RemoveAll(filepath.Dir(base)))
	eventually(t, "said that it is gone", func() bool { return w.said(gone) == 1 })
	w.Kick() // who asks is told again
	eventually(t, "said it again", func() bool { return w.said(gone) == 2 })
	must(t, os.MkdirAll(base, 0o700))
	write(t, path, "one")
	eventually(t, "said that it is back", func() bool { return w.said(back) == 1 })
	replace(t, path, "two")
	w.wants("two") // and not "one" before it
	if n := w.said(gone); n != 2 {
		t.Errorf("said %d times that the file cannot be read, want 2", n)
	}
}

func TestWatcherDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/a.yaml", "a1 ")
	write(t, dir+"/b.yaml", "b1 ")
	w := watchPath(t, dir)
	w.wants("a1 b1 ")
	replace(t, dir+"/a.yaml", "a2 ")
	write(t, dir+"/b.yaml", "b2 ")
	w.wants("a2 b2 ")
	write(t, dir+"/0.yaml", "01 ")
	w.wants("01 a2 b2 ")
	must(t, os.Remove(dir+"/a.yaml"))
	w.wants("01 b2 ")
	write(t, dir+"/c.yml", "not ours")
	write(t, dir+"/.d.yaml", "not ours")
	w.wantsNoMore("01 b2 ")
}

func TestWatcherKick(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	write(t, path, "one")
	w := watchPath(t, path, (*Watcher).Kick)
	w.wants("one") // once: what is new and what is asked for are the same delivery
	w.wantsNoMore("one")
	w.wantsNoMore("one")
}

// What is read for a Kick is no older than when that is told.
func TestWatcherKicked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	write(t, path, "one")
	first := true
	w := watchPath(t, path, func(w *Watcher) {
		w.Kicked = func() {
			if first {
				first = false
				replace(t, path, "two")
			}
		}
	})
	w.wants("one")
	w.Kick()
	w.wants("two")
	w.wantsNoMore("two")
}

func TestWatcherLosesNothingDuringACall(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	write(t, path, "one")
	calls, resume := make(chan string), make(chan struct{})
	run(t, &Watcher{Path: path}, func(s Source) {
		calls <- text(s)
		<-resume
	})
	for _, change := range []struct {
		content string
		next    func()
	}{
		{"one", func() { replace(t, path, "two") }},
		{"two", func() { write(t, path, "three") }},
		{"three", func() { must(t, os.Remove(path)); write(t, path, "four") }},
		{"four", func() {}},
	} {
		if got := <-calls; got != change.content {
			t.Errorf("delivered %q, want %q", got, change.content)
		}
		change.next()
		resume <- struct{}{}
	}
}

// The kernel keeps 16,384 events; then it drops them and says so.
func TestWatcherOverflow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.yaml")
	write(t, path, "one")
	w := &watching{t: t, log: new(bytes.Buffer), delivered: make(chan Source, 10)}
	w.Watcher = &Watcher{Path: path, Log: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	busy, resume := make(chan struct{}, 10), make(chan struct{})
	run(t, w.Watcher, func(s Source) {
		w.delivered <- s
		busy <- struct{}{}
		<-resume
	})
	<-busy
	w.wants("one")
	for range 5000 {
		write(t, dir+"/noise", "") // create, attributes, …
		must(t, os.Rename(dir+"/noise", dir+"/noise2"), os.Remove(dir+"/noise2"))
	}
	replace(t, path, "two")
	close(resume)
	w.wants("two")
	eventually(t, "said that events were lost", func() bool { return w.said("queue or buffer overflow") == 1 })
}

func TestWatcherPollsWithoutNotifications(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	write(t, path, "one")
	w := watchPath(t, path, deaf)
	w.wants("one")
	write(t, path, "two")
	w.wants("two")
	replace(t, path, "six")
	w.wants("six")
	w.wantsNoMore("six")
	if n := w.said("polling the topology instead"); n != 1 {
		t.Errorf("said %d times that it polls, want once", n)
	}
}

func TestWatcherEndlessLinks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.yaml")
	must(t, os.Symlink(path, path))
	w := watchPath(t, path)
	eventually(t, "said that it cannot be read", func() bool { return w.said("cannot be read") == 1 })
	replace(t, path, "one")
	w.wants("one")
}
