//go:build linux

package measure

import (
	"io"
	"net"
	"os"
	"testing"
)

func TestQueuesOfPipes(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	const size = 12_345
	if grown := queued(t, func() { w.Write(make([]byte, size)) }); grown != size {
		t.Errorf("Queues grew by %d, want %d", grown, size)
	}
}

func TestQueuesOfSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := make([]byte, 20_000)
	if grown := queued(t, func() { w.Write(b) }); grown < int64(len(b)) {
		t.Errorf("Queues grew by %d with %d bytes that nobody has read", grown, len(b))
	}
	if grown := queued(t, func() { io.ReadFull(r, b) }); grown > -int64(len(b))/2 {
		t.Errorf("Queues grew by %d when %d bytes were read", grown, len(b))
	}
}

// queued is what Queues of this process grows by.
func queued(t *testing.T, do func()) int64 {
	t.Helper()
	var n [2]int64
	for i := range n {
		if i == 1 {
			do()
		}
		var err error
		if n[i], err = Queues([]int{os.Getpid()}); err != nil {
			t.Fatal(err)
		}
	}
	return n[1] - n[0]
}
