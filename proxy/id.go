package proxy

import (
	"crypto/rand"
	"encoding/base32"
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

var idAlphabet = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func newIDs() *ids {
	n := new(ids)
	rand.Read(n.process[:])
	return n
}

func (n *ids) next(now time.Time) string {
	ms, count := uint64(now.UnixMilli()), n.count.Add(1)
	raw := [12]byte{
		byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms),
		n.process[0], n.process[1], n.process[2], // before the count: only one process counts
		byte(count >> 16), byte(count >> 8), byte(count),
	}
	var text [idLength]byte
	idAlphabet.Encode(text[:], raw[:])
	return string(text[:])
}
