package relay

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStress moves bytes in sessions of random sizes, pauses, half-closes and resets, many at a time, and compares the checksum of each direction.
// POSTHOUSE_STRESS is how many MiB it moves at least; 10240 take some minutes with the race detector.
func TestStress(t *testing.T) {
	both(t, func(t *testing.T, f form) {
		bytes := int64(64 << 20)
		if mib, err := strconv.Atoi(os.Getenv("POSTHOUSE_STRESS")); err == nil {
			bytes = int64(mib) << 20
		}
		defer f.Close()
		var moved, sessions, resets atomic.Int64
		var crew sync.WaitGroup
		for worker := range uint64(16) {
			crew.Go(func() {
				random := rand.New(rand.NewPCG(worker, 1))
				for moved.Load() < bytes && !t.Failed() {
					s := newStress(random)
					moved.Add(s.run(t, f))
					sessions.Add(1)
					if s.resets {
						resets.Add(1)
					}
				}
			})
		}
		crew.Wait()
		t.Logf("%d MiB in %d sessions, %d of them reset", moved.Load()>>20, sessions.Load(), resets.Load())
	})
}

// noise is what is sent, from any place in it.
var noise = func() []byte {
	b := make([]byte, 4<<20)
	for i, random := 0, rand.New(rand.NewPCG(3, 4)); i < len(b); i += 8 {
		v := random.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return b
}()

// stress is one session: what each end sends, and whether an end resets in the middle.
type stress struct {
	seed   uint64
	size   [2]int // by the client, by the node
	resets bool
	by     int // who resets, when it has received half
	dress  func(*Pair, *[2]end)
}

// end is the far end of a connection.
type end interface {
	net.Conn
	CloseWrite() error
	SetLinger(int) error
}

func newStress(random *rand.Rand) *stress {
	s := &stress{seed: random.Uint64(), resets: random.IntN(8) == 0, by: random.IntN(2)}
	for i := range s.size {
		s.size[i] = random.IntN(1 << random.IntN(23)) // up to 4 MiB, most far less
	}
	return s
}

// run returns how many bytes arrived.
func (s *stress) run(t *testing.T, f form) int64 {
	var p Pair
	var ends [2]end
	ends[0], p.Client = connection(t)
	ends[1], p.Node = connection(t)
	if s.dress != nil {
		s.dress(&p, &ends)
	}
	result := make(chan Result, 1)
	p.Owner = ending(func(r Result) { result <- r })
	f.Start(p)
	var moved [2]int64
	var crew sync.WaitGroup
	for i, c := range ends {
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		crew.Go(func() { s.send(c, i) })
		crew.Go(func() {
			n, err := s.receive(c, 1-i, s.resets && s.by == i)
			moved[1-i] = n
			if whole := n == int64(s.size[1-i]); !s.resets && (err != nil || !whole) || errors.Is(err, errChanged) {
				t.Errorf("%+v: %d bytes of direction %d arrived: %v", s.size, n, 1-i, err)
			}
		})
	}
	crew.Wait()
	for _, c := range ends {
		c.Close()
	}
	select {
	case got := <-result:
		if want := moved; !s.resets && (got.Up != want[0] || got.Down != want[1]) {
			t.Errorf("%+v: result = %+v, want %v", s.size, got, want)
		}
	case <-time.After(time.Minute):
		t.Errorf("%+v: the session did not end", s.size)
	}
	return moved[0] + moved[1]
}

// send says all that a direction has, in pieces, and closes the direction.
func (s *stress) send(c end, direction int) {
	random := rand.New(rand.NewPCG(s.seed, uint64(direction)))
	at := random.IntN(len(noise))
	for left := s.size[direction]; left > 0; {
		n := min(1+random.IntN(1<<random.IntN(19)), left, len(noise)-at)
		if _, err := c.Write(noise[at : at+n]); err != nil {
			return
		}
		at, left = (at+n)%len(noise), left-n
		pause(random)
	}
	c.CloseWrite()
}

var errChanged = errors.New("the content changed")

// receive takes what a direction brings and compares it. If it is to reset, it does so halfway.
func (s *stress) receive(c end, direction int, resets bool) (int64, error) {
	random := rand.New(rand.NewPCG(s.seed, uint64(direction)))
	at := random.IntN(len(noise))
	var got, want uint32
	var received int64
	buffer := make([]byte, 1000<<random.IntN(8))
	for {
		if resets && received >= int64(s.size[direction]/2) {
			c.SetLinger(0)
			c.Close()
			return received, nil
		}
		n, err := c.Read(buffer)
		got = crc32.Update(got, castagnoli, buffer[:n])
		for left := n; left > 0; {
			m := min(left, len(noise)-at)
			want = crc32.Update(want, castagnoli, noise[at:at+m])
			at, left = (at+m)%len(noise), left-m
		}
		received += int64(n)
		switch {
		case got != want:
			return received, fmt.Errorf("%w within the last %d of %d bytes", errChanged, n, received)
		case err == io.EOF:
			return received, nil
		case err != nil:
			return received, err
		}
		pause(random)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pause lets others go first, now and then for so long that buffers fill or run empty.
func pause(random *rand.Rand) {
	if random.IntN(64) == 0 {
		time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
	}
}
