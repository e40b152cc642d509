package relay

import (
	"sync/atomic"
	"time"
)

// Facts is what can be told of a session from outside of its protocol.
type Facts struct {
	Up, Down      int64         // bytes so far
	Silent        time.Duration // since a byte last moved
	NodeSpokeLast bool
	LineEnded     bool // the node's last byte was a line feed; false where it went unseen (bulk)
	Flushed       bool // nothing that was read waits to be written
	TLS           bool // the client has begun a TLS handshake: line ends cannot be seen
}

// factsOf tells them from what is kept of each direction.
func factsOf(up, down *record, tls bool) Facts {
	moved := [...]int64{up.passed(), down.passed()} // before the stamps, which are written before it
	u, d := up.last.Load(), down.last.Load()
	return Facts{
		Up: moved[0], Down: moved[1],
		Silent:        time.Since(base) - max(u.when(), d.when()),
		NodeSpokeLast: d.when() >= u.when(),
		LineEnded:     d.has(lineEnded),
		Flushed:       !u.has(moving) && !d.has(moving),
		TLS:           tls,
	}
}

// record is what is kept of a direction: one goroutine writes it, any may read.
type record struct {
	last  atomicStamp
	moved atomic.Int64 // bytes that were passed on; below 0: the other side has not even taken all of what we say before them
}

// passed is how many bytes were passed on.
func (r *record) passed() int64 { return max(r.moved.Load(), 0) }

// base is where stamps count from: the monotonic clock, so that a step of the wall clock ends no session.
var base = time.Now()

// stamp is when a direction last moved a byte, with flags, in one word that one goroutine writes and others read.
type stamp uint64

const (
	lineEnded stamp = 1 << iota // the last byte was a line feed
	moving                      // bytes were read and are not written yet

	flags = 2
)

func stampNow(f stamp) stamp { return stamp(time.Since(base))<<flags | f }

type atomicStamp struct{ v atomic.Uint64 }

func (a *atomicStamp) Load() stamp   { return stamp(a.v.Load()) }
func (a *atomicStamp) Store(s stamp) { a.v.Store(uint64(s)) }

func (s stamp) when() time.Duration { return time.Duration(s >> flags) }
func (s stamp) has(f stamp) bool    { return s&f != 0 }
func (s stamp) flags() stamp        { return s & (1<<flags - 1) }

// stampLine is the flag for what has just been passed on.
func stampLine(b []byte) stamp {
	if b[len(b)-1] == '\n' {
		return lineEnded
	}
	return 0
}

// startsTLS recognises the record of a ClientHello (RFC 8446, 5.1) at the start of what a client sends: no mail protocol
// has a command that begins like this.
func startsTLS(b []byte) bool { return len(b) >= 3 && b[0] == 22 && b[1] == 3 && b[2] <= 4 }
