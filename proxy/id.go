package proxy

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// ids names sessions: 20 characters that sort by time, unique among all balancers. They are 48 bits of milliseconds,
// 24 bits that this process drew by lot and a count of 24 bits, in an alphabet that keeps their order.
type ids struct {
	process [3]byte
	count   atomic.Uint32
}

const idLength = 20

// sessionID is such a name.
type sessionID [idLength]byte

func (i sessionID) String() string { return string(i[:]) }

// AppendText and MarshalText are for the log, which prints the id without a string of it.
func (i *sessionID) AppendText(b []byte) ([]byte, error) { return append(b, i[:]...), nil }
func (i *sessionID) MarshalText() ([]byte, error)        { return []byte(i.String()), nil }

// began is the time that is in it, to the millisecond.
func (i sessionID) began() time.Time {
	var raw [12]byte
	idAlphabet.Decode(raw[:], i[:])
	raw[6], raw[7] = 0, 0
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:]) >> 16))
}

var idAlphabet = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func newIDs() *ids {
	n := new(ids)
	rand.Read(n.process[:])
	return n
}

func (n *ids) next(now time.Time) (id sessionID) {
	ms, count := uint64(now.UnixMilli()), n.count.Add(1)
	raw := [12]byte{
		byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms),
		n.process[0], n.process[1], n.process[2], // before the count: only one process counts
		byte(count >> 16), byte(count >> 8), byte(count),
	}
	idAlphabet.Encode(id[:], raw[:])
	return id
}
