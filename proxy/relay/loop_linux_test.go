package relay

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// needsLoops ends a test of what a build without loops does not do.
func needsLoops(t testing.TB) {
	t.Helper()
	if Loops() == 0 {
		t.Skip("no loops in this build")
	}
}

// bench is a loop that the test steps through by hand.
type bench struct {
	*loop
	t testing.TB
}

func newBench(t testing.TB) *bench {
	l, err := newLoop(false, net.KeepAliveConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.stopped = true
		l.run()
	})
	return &bench{l, t}
}

// start is a session on the loop.
func (b *bench) start(p Pair) (client, node *net.TCPConn, s *pair) {
	b.t.Helper()
	client, p.Client = connection(b.t)
	node, p.Node = connection(b.t)
	c, n, err := takeBoth(p.Client, p.Node)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		client.Close()
		node.Close()
	})
	if p.Owner == nil {
		p.Owner = ending(func(Result) {})
	}
	s = newPair(b.loop, c, n, p)
	b.begin(s, p.First, p.Early)
	return client, node, s
}

// TestFairness is in steps of the loop, not in time: downloads whose source never pauses and whose reader takes all move a bounded piece in each
// step, and a line of another session gets through in the step in which its event comes.
func TestFairness(t *testing.T) {
	b := newBench(t)
	var downloads []*pair
	for range 4 {
		client, node, s := b.start(Pair{})
		go io.Copy(node, endless{})
		go io.Copy(io.Discard, client)
		downloads = append(downloads, s)
	}
	for began := time.Now(); downloads[0].node.moved.Load() < 64<<20; b.step() { // until it is bulk
		if time.Since(began) > patience {
			t.Fatal("the download does not move")
		}
	}
	client, node, idle := b.start(Pair{})
	for range 20 {
		say(t, node, "* 1 EXISTS\r\n")
		arrived(t, &idle.node)
		before := make([]int64, len(downloads))
		for i, d := range downloads {
			before[i] = d.node.moved.Load()
		}
		heard := idle.node.moved.Load()
		b.step()
		for i, d := range downloads {
			const most = 3 * (turn*chunk + pipeSize) // an event of each side, and the run queue
			if moved := d.node.moved.Load() - before[i]; moved > most {
				t.Errorf("a download moved %d bytes in one step, want %d at most", moved, most)
			}
		}
		if idle.node.moved.Load() == heard {
			t.Fatal("the line waited for downloads")
		}
		hear(t, client, "* 1 EXISTS\r\n")
	}
}

// arrived waits until a side has something to read: a kernel that is busy with other packets may bring it later.
func arrived(t *testing.T, s *side) {
	t.Helper()
	poll := []unix.PollFd{{Fd: s.fd, Events: unix.POLLIN}}
	for began := time.Now(); poll[0].Revents == 0; {
		if time.Since(began) > patience {
			t.Fatal("what was said does not arrive")
		}
		unix.Poll(poll, 100)
	}
}

// Nothing is allocated for a line, nor for one that the reader does not take at once.
func TestNoAllocation(t *testing.T) {
	b := newBench(t)
	client, node, s := b.start(Pair{Idle: time.Hour})
	line, into := []byte("a NOOP\r\n"), make([]byte, 8)
	if n := testing.AllocsPerRun(100, func() {
		for before := s.client.moved.Load(); s.client.moved.Load() == before; b.step() {
			if before == s.client.moved.Load() {
				client.Write(line)
			}
		}
		io.ReadFull(node, into)
	}); n > 0 {
		t.Errorf("%v allocations for a line", n)
	}
}

// A session that nobody reads holds what was on its way and no more, asks its source for no more, and loses nothing.
func TestBackPressure(t *testing.T) {
	b := newBench(t)
	client, node, s := b.start(Pair{})
	content := bytes.Repeat([]byte("0123456789abcde\n"), 4<<20)
	go func() {
		node.Write(content)
		node.CloseWrite()
	}()
	for began := time.Now(); !s.client.is(full) || s.node.last.Load().has(moving) == false; b.step() {
		if time.Since(began) > patience {
			t.Fatal("the reader was never full")
		}
	}
	if !s.client.holds() {
		t.Error("nothing is held for a reader that is full")
	}
	expectBounded(t, &s.client)
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(client)
		got <- all
	}()
	for !s.node.is(ended) {
		b.step()
	}
	if all := <-got; !bytes.Equal(all, content) {
		t.Errorf("%d bytes arrived changed, of %d", len(all), len(content))
	}
	if s.client.holds() {
		t.Error("something is held after the end")
	}
}

// expectBounded looks at what is held for a side that has taken nothing. The call that reached the bound may have gone over it by a piece.
func expectBounded(t *testing.T, s *side) {
	t.Helper()
	unsent, err := unix.IoctlGetInt(int(s.fd), unix.SIOCOUTQNSD)
	if s.pipe != nil {
		unsent += s.pipe.n
	}
	if err != nil || unsent > 2*fewUnsent+4*chunk {
		t.Errorf("%d bytes are held, %v; want %d in the socket and in a pipe", unsent, err, fewUnsent)
	}
}

// An idle session is this and the number of it.
func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(pair{}) + unsafe.Sizeof(link{}) + 8; size > 184 {
		t.Errorf("an idle session takes %d bytes, want 184 at most", size)
	}
}
