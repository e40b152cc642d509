package config

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// storm is a thousand changes of one kind, in which every content proves itself: a checksum, then a serial number and
// filling. A delivery that is no whole content, or older than the one before, or of several files that do not belong
// together, fails the test; so does a last content that is not there 2 s after it was written.
type storm struct {
	t      *testing.T
	random *rand.Rand
	path   string // what is watched
	base   string // of everything

	touched time.Time // by the writer
	stalled bool      // a writer was held up for as long as the quiet time: then nothing is promised
}

const stormChanges = 1000

// content is written in two parts by those who write in place.
func (s *storm) content(serial int) (head, tail []byte) {
	body := fmt.Appendf(nil, "\n%d\n", serial)
	for range s.random.IntN(300) {
		body = append(body, "a line of filling, so that a write may take more than one page\n"...)
	}
	sum := fmt.Appendf(nil, "%x", sha256.Sum256(body))
	all := append(sum, body...)
	cut := s.random.IntN(len(all))
	return all[:cut], all[cut:]
}

// proven is the serial number in a content, or an error if it is not whole.
func proven(data []byte) (int, error) {
	sum, body, _ := bytes.Cut(data, []byte("\n"))
	body = append([]byte("\n"), body...)
	if want := fmt.Appendf(nil, "%x", sha256.Sum256(body)); !bytes.Equal(sum, want) {
		return 0, fmt.Errorf("partial content of %d bytes", len(data))
	}
	var n int
	_, err := fmt.Sscan(string(body), &n)
	return n, err
}

func (s *storm) pause(longest time.Duration) {
	time.Sleep(time.Duration(s.random.Int64N(int64(longest) + 1)))
}

// whole writes a new file in one go.
func (s *storm) whole(path string, serial int) {
	head, tail := s.content(serial)
	write(s.t, path, string(head)+string(tail))
}

// inPlace creates or truncates a file and writes it in two parts, now and then with a pause that would do for a swap.
func (s *storm) inPlace(path string, serial int) {
	head, tail := s.content(serial)
	f, err := os.Create(path)
	must(s.t, err)
	s.pause(time.Millisecond)
	_, err = f.Write(head)
	must(s.t, err)
	s.touch()
	if s.pause(2 * time.Millisecond); s.random.IntN(50) == 0 {
		time.Sleep(quiet / 3)
	}
	_, err = f.Write(tail)
	must(s.t, err, f.Close())
	s.touch()
}

// touch notes whether the machine held the writer up so long between two steps that half a change counts as complete.
func (s *storm) touch() {
	now := time.Now()
	s.stalled = s.stalled || now.Sub(s.touched) > quiet-settle
	s.touched = now
}

func (s *storm) rename(path string, serial int) {
	s.whole(path+".tmp", serial)
	must(s.t, os.Rename(path+".tmp", path))
}

// renameFromElsewhere is a rename of which the watched directory sees only the second half.
func (s *storm) renameFromElsewhere(path string, serial int) {
	elsewhere := filepath.Join(s.base, "elsewhere")
	s.whole(elsewhere, serial)
	must(s.t, os.Rename(elsewhere, path))
}

func (s *storm) recreate(path string, serial int) {
	must(s.t, os.RemoveAll(path))
	s.pause(time.Millisecond)
	s.inPlace(path, serial)
}

// swap is what kubelet does for a mounted ConfigMap: a new directory, and one link to it.
func (s *storm) swap(dir string, serial int, names ...string) {
	data, fresh := filepath.Join(dir, "..data"), filepath.Join(dir, fmt.Sprint("..", serial))
	old, _ := os.Readlink(data)
	must(s.t, os.Mkdir(fresh, 0o700))
	for _, name := range names {
		s.whole(filepath.Join(fresh, name), serial)
	}
	must(s.t, os.Symlink(filepath.Base(fresh), data+"_tmp"), os.Rename(data+"_tmp", data))
	for _, name := range names {
		os.Symlink("..data/"+name, filepath.Join(dir, name)) // the first time
	}
	if old != "" {
		must(s.t, os.RemoveAll(filepath.Join(dir, old)))
	}
}

func TestWatcherStorm(t *testing.T) {
	t.Parallel()
	abc := []string{"a.yaml", "b.yaml", "c.yaml"}
	var all sync.WaitGroup
	for _, kind := range []struct {
		name   string
		path   string // below the base
		swift  bool   // atomic: delivered within a pause that is shorter than the quiet time
		change func(s *storm, serial int)
	}{
		{"rename", "x.yaml", true, func(s *storm, n int) { s.rename(s.path, n) }},
		{"rename from elsewhere", "conf/x.yaml", false, func(s *storm, n int) { s.renameFromElsewhere(s.path, n) }},
		{"in place", "x.yaml", false, func(s *storm, n int) { s.inPlace(s.path, n) }},
		{"delete and create", "x.yaml", false, func(s *storm, n int) { s.recreate(s.path, n) }},
		{"link swap", "conf/x.yaml", true, func(s *storm, n int) { s.swap(s.base+"/conf", n, "x.yaml") }},
		{"link swap of a directory's files", "conf", true, func(s *storm, n int) { s.swap(s.path, n, abc...) }},
		{"several files of a directory", "conf", false, func(s *storm, n int) {
			for _, name := range abc {
				path := filepath.Join(s.path, name)
				[]func(string, int){s.rename, s.inPlace, s.recreate, s.renameFromElsewhere}[s.random.IntN(4)](path, n)
			}
		}},
		{"directory replaced", "conf", false, func(s *storm, n int) {
			must(s.t, os.Mkdir(s.path+".new", 0o700))
			for _, name := range abc {
				s.whole(filepath.Join(s.path+".new", name), n)
			}
			must(s.t, os.Rename(s.path, s.path+".old"), os.Rename(s.path+".new", s.path), os.RemoveAll(s.path+".old"))
		}},
		{"directory above deleted and made again", "conf/x.yaml", false, func(s *storm, n int) {
			must(s.t, os.RemoveAll(s.base+"/conf"))
			s.pause(time.Millisecond)
			must(s.t, os.Mkdir(s.base+"/conf", 0o700))
			s.inPlace(s.path, n)
		}},
		{"all at random", "conf/x.yaml", false, func(s *storm, n int) {
			[]func(string, int){s.rename, s.inPlace, s.recreate, s.renameFromElsewhere}[s.random.IntN(4)](s.path, n)
		}},
	} {
		all.Go(func() {
			t.Run(kind.name, func(t *testing.T) { // t.Parallel would run as many as there are processors
				base := t.TempDir()
				s := &storm{t: t, random: rand.New(rand.NewPCG(1, 2)), path: filepath.Join(base, kind.path), base: base}
				must(t, os.MkdirAll(base+"/conf", 0o700))
				s.touched = time.Now()
				kind.change(s, 0)
				w := watchPath(t, s.path)
				for n := 1; n <= stormChanges; n++ {
					s.touched = time.Now()
					kind.change(s, n)
					s.pace(n, kind.swift)
				}
				s.judge(w, kind.swift)
			})
		})
	}
	all.Wait()
}

// pace keeps a brisk random pace, with pauses now and then in which something can be delivered.
func (s *storm) pace(n int, swift bool) {
	switch {
	case swift && n%20 == 0:
		time.Sleep(quiet / 2)
	case !swift && n%100 == 0:
		time.Sleep(quiet + quiet/2)
	default:
		s.pause(3 * time.Millisecond)
	}
}

// judge reads what was delivered. Ten deliveries in the 50 pauses of a swift kind are enough to say that they did not
// wait for the quiet time: all pauses are shorter. The 2 s are looks of 10 ms, each of which is longer on a machine that is busy with
// something else.
func (s *storm) judge(w *watching, swift bool) {
	const look = 10 * time.Millisecond
	last, count := -1, 0
	for looks := 0; last != stormChanges; {
		select {
		case source := <-w.delivered:
			n, err := together(source)
			if err == nil && n <= last {
				err = fmt.Errorf("delivered %d after %d", n, last)
			}
			s.blame(err)
			last, count = n, count+1
		case <-time.After(look):
			if looks++; time.Duration(looks)*look > 2*time.Second {
				s.t.Fatalf("%d is delivered 2 s after the last change, want %d", last, stormChanges)
			}
		}
	}
	s.t.Logf("%d changes, %d deliveries", stormChanges, count)
	if swift && count < 10 {
		s.t.Errorf("%d deliveries of swaps, want one for most pauses", count)
	}
}

func (s *storm) blame(err error) {
	switch {
	case err != nil && s.stalled:
		s.t.Logf("%v, after a writer was held up for %v", err, quiet)
	case err != nil:
		s.t.Error(err)
	}
}

// together is the serial number that all files of a delivery share.
func together(source Source) (int, error) {
	first := -1
	for i, f := range source.Files {
		n, err := proven(f.Data)
		if err != nil {
			return -1, fmt.Errorf("%s: %w", f.Name, err)
		}
		if i > 0 && n != first {
			return -1, fmt.Errorf("delivered files of changes %d and %d together", first, n)
		}
		first = n
	}
	return first, nil
}
