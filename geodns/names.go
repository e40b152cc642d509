package geodns

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/miekg/dns"
)

const (
	headerSize = 12
	maxName    = 255 // bytes of a name in a message: RFC 1035, 2.3.4
)

// nameEnd is where a name that begins at an offset ends; 0 if it is compressed, malformed or too long.
func nameEnd(b []byte, at int) int {
	for i := at; i < len(b); {
		size := int(b[i])
		i += 1 + size
		switch {
		case i-at > maxName || size > 63:
			return 0
		case size == 0:
			return i
		}
	}
	return 0
}

// wireText is a name as it is in messages, in lower case. What is behind it is of no meaning.
type wireText struct {
	bytes [maxName + 9]byte // whole words, whatever the size
	size  int
}

// set takes a name of a message. The length bytes before the labels are below 64, so that they are no letters: the whole name is
// made lower case as it is, eight bytes at a time.
func (w *wireText) set(b []byte) {
	w.size = len(b)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(w.bytes[i:], lower(binary.LittleEndian.Uint64(b[i:])))
	}
	if i < len(b) {
		var rest [8]byte
		copy(rest[:], b[i:])
		binary.LittleEndian.PutUint64(w.bytes[i:], lower(binary.LittleEndian.Uint64(rest[:])))
	}
}

// lower makes eight bytes lower case: those from 'A' to 'Z' get the bit 0x20.
func lower(word uint64) uint64 {
	const each = 0x0101010101010101
	low := word & (0x7f * each)
	atLeastA, aboveZ := low+(0x80-'A')*each, low+(0x7f-'Z')*each
	return word | (atLeastA&^aboveZ&^word&(0x80*each))>>2
}

// node is a name that there is, with the answers that are ready for it and for the names below it that there are not.
type node struct {
	name         string // fully qualified, in lower case
	wire         string
	exact, below ready
}

// index finds names. It is made once and then only read.
type index struct {
	seed  uint64
	slots []indexSlot // a power of two, at most half full
}

type indexSlot struct {
	hash uint64
	node *node
}

func newIndex(nodes []*node) *index {
	x := &index{seed: rand.Uint64(), slots: make([]indexSlot, 2<<bits.Len(uint(len(nodes))))}
	for _, n := range nodes {
		var w wireText
		w.set([]byte(n.wire))
		h := x.hash(&w, 0)
		for i := h; ; i++ {
			if s := &x.slots[i&uint64(len(x.slots)-1)]; s.node == nil {
				*s = indexSlot{h, n}
				break
			}
		}
	}
	return x
}

// hash is of the name from an offset on. Nobody who does not know the seed can make names collide.
func (x *index) hash(w *wireText, from int) uint64 {
	h := x.seed
	i := from
	for ; i+8 <= w.size; i += 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(w.bytes[i:]))
	}
	if i < w.size {
		rest := binary.LittleEndian.Uint64(w.bytes[i:])
		h = mix(h ^ rest<<(8*uint(8-(w.size-i)))) // what is behind the end does not count
	}
	return h
}

func mix(word uint64) uint64 {
	high, low := bits.Mul64(word, 0x9e3779b97f4a7c15)
	return high ^ low
}

// find is the node of the name from an offset on, or nil.
func (x *index) find(w *wireText, from int) *node {
	h := x.hash(w, from)
	for i := h; ; i++ {
		s := &x.slots[i&uint64(len(x.slots)-1)]
		if s.node == nil || s.hash == h && s.node.wire == string(w.bytes[from:w.size]) {
			return s.node
		}
	}
}

// above is the deepest node that a name is below, or nil.
func (x *index) above(w *wireText) *node {
	for at := 0; w.bytes[at] != 0; {
		at += 1 + int(w.bytes[at])
		if n := x.find(w, at); n != nil {
			return n
		}
	}
	return nil
}

// wireOf is a name in full as it is in messages.
func wireOf(name string) string {
	b := make([]byte, maxName+1)
	n, err := dns.PackDomainName(name, b, 0, nil, false)
	if err != nil {
		return "" // no question has it
	}
	return string(b[:n])
}
