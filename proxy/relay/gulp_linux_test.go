package relay

import (
	"net"
	"testing"
	"time"
)

// Of bulk a whole turn is read at once, but no more than the other side takes.
func TestSpace(t *testing.T) {
	needsLoops(t)
	far, near := connection(t)
	defer far.Close()
	to := sideOf(t, near)
	defer to.close(false)
	near.Close()
	l, from := new(loop), new(side)
	most := min(to.room(), turn*chunk)
	if most < 4*chunk {
		t.Skipf("sockets have room for %d bytes only", to.room())
	}
	for i, row := range []struct{ read, want int }{
		{chunk, chunk}, {chunk, most}, {most, most}, // two full reads are bulk
		{100, chunk}, {chunk, most}, // one small piece is not the end of it
		{100, chunk}, {100, chunk}, {chunk, chunk},
	} {
		from.learn(row.read)
		if got := len(l.space(from, to, turn)); got != row.want {
			t.Errorf("%d: after %d bytes space is %d, want %d", i, row.read, got, row.want)
		}
	}
	from.filled = bulk
	if got := len(l.space(from, to, 3)); got != 3*chunk {
		t.Errorf("space for the rest of a turn is %d, want %d", got, 3*chunk)
	}
	eventually(t, func() bool { // when a reader that does not read has enough
		to.write(noise)
		return len(l.space(from, to, turn)) == chunk
	})
}

// sideOf is a side with a descriptor of its own for a connection, which does not wait.
func sideOf(t *testing.T, c *net.TCPConn) *side {
	t.Helper()
	fd, err := duplicate(c)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Time{})
	return &side{fd: int32(fd)}
}
