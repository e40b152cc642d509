package nearest

import "slices"

// table finds the network of a key. The first 24 bits decide most and are looked up in arrays, of 16 bits and of 8. What a /24
// of IPv4 is divided into is a short list in one or two lines of cache: an array of it would have 1 KiB, and there are
// tens of thousands. Of IPv6 8 bits more are looked up, and then searched for in long lists.
type table struct {
	short  bool    // of IPv4
	top    []entry // by the first 16 bits
	blocks []entry // by the next 8, in IPv6 also by the 8 behind them: 256 for each
	lists  []item  // of IPv4
	runs   runs[uint32]
	deep   runs[uint64]
}

// entry is what is known at some depth: a network, or where to look further.
type entry uint32

const branch entry = 1 << 31 // the other bits are the number of a block or a run

// leaf is a network: 16 bits of order, 8 of length.
func leaf(order uint16, length int) entry { return entry(order)<<8 | entry(length) }

func (e entry) network() (order uint16, bits uint8) { return uint16(e >> 8), uint8(e) }

// item is what begins at some last byte of an IPv4 address: that byte, and 24 bits of an entry. A list begins with byte 0, and ends
// where the next begins.
type item uint32

func (i item) begins() uint8 { return uint8(i >> 24) }

// runs are sorted lists behind one another. A list covers all that its branch stands for, so its first key is 0.
type runs[K uint32 | uint64] struct {
	first   []uint32 // by number of the list; its end is where the next begins
	keys    []K
	entries []entry
}

func (t *table) find(k key) (order uint16, bits uint8) {
	e := t.top[k.hi>>48]
	if e&branch == 0 {
		return e.network()
	}
	e = t.blocks[uint64(e&^branch)<<8|k.hi>>40&0xff]
	if e&branch == 0 {
		return e.network()
	}
	if t.short {
		return t.scan(e&^branch, uint8(k.hi>>32))
	}
	e = t.blocks[uint64(e&^branch)<<8|k.hi>>32&0xff]
	if e&branch == 0 {
		return e.network()
	}
	e = t.runs.find(e, uint32(k.hi))
	if e&branch == 0 {
		return e.network()
	}
	return t.deep.find(e, k.lo).network()
}

// scan is the last item of a list that does not begin behind b.
func (t *table) scan(i entry, b uint8) (order uint16, bits uint8) {
	rest := t.lists[i:]
	e := rest[0]
	for _, next := range rest[1:] {
		if next.begins()-1 >= b { // the first of the next list, too, for 0-1 is 255
			break
		}
		e = next
	}
	return entry(e &^ (0xff << 24)).network()
}

// find is the last entry whose key is not behind k.
func (r *runs[K]) find(list entry, k K) entry {
	low, high := r.bounds(list)
	for high-low > 1 {
		if middle := (low + high) / 2; r.keys[middle] <= k {
			low = middle
		} else {
			high = middle
		}
	}
	return r.entries[low]
}

func (r *runs[K]) bounds(list entry) (low, high uint32) {
	i := list &^ branch
	if int(i)+1 == len(r.first) {
		return r.first[i], uint32(len(r.keys))
	}
	return r.first[i], r.first[i+1]
}

// add puts a network into the table. They come in order and leave no gap.
func (t *table) add(k key, length int, e entry) {
	if t.top == nil {
		t.top = make([]entry, 1<<16)
	}
	if length <= 16 {
		fill(t.top[k.hi>>48:], 16-length, e)
		return
	}
	if at := &t.top[k.hi>>48]; *at&branch == 0 {
		*at = t.newBlock()
	}
	i := uint64(t.top[k.hi>>48]&^branch)<<8 | k.hi>>40&0xff
	if length <= 24 {
		fill(t.blocks[i:], 24-length, e)
		return
	}
	if t.short {
		t.addItem(&t.blocks[i], uint8(k.hi>>32), e)
		return
	}
	if t.blocks[i]&branch == 0 {
		below := t.newBlock() // may move the blocks
		t.blocks[i] = below
	}
	i = uint64(t.blocks[i]&^branch)<<8 | k.hi>>32&0xff
	switch at := &t.blocks[i]; {
	case length <= 32:
		fill(t.blocks[i:], 32-length, e)
	case length <= 64:
		t.runs.add(at, uint32(k.hi), e)
	default:
		if k.lo == 0 { // the first of its /64
			t.runs.add(at, uint32(k.hi), 0)
		}
		t.deep.add(&t.runs.entries[len(t.runs.entries)-1], k.lo, e)
	}
}

func (t *table) addItem(list *entry, begins uint8, e entry) {
	if *list&branch == 0 {
		*list = branch | entry(len(t.lists))
	}
	t.lists = append(room(t.lists, 1), item(begins)<<24|item(e))
}

// fill sets the 2^bits entries of a network.
func fill(at []entry, bits int, e entry) {
	for i := range 1 << bits {
		at[i] = e
	}
}

func (t *table) newBlock() entry {
	t.blocks = append(room(t.blocks, 256), make([]entry, 256)...)
	return branch | entry(len(t.blocks)>>8-1)
}

func (r *runs[K]) add(at *entry, k K, e entry) {
	if *at&branch == 0 {
		*at = branch | entry(len(r.first))
		r.first = append(r.first, uint32(len(r.keys)))
	}
	r.keys, r.entries = append(room(r.keys, 1), k), append(room(r.entries, 1), e)
}

// room makes room for n more by doubling. Growth in steps of a quarter, as append has it, leaves four times as much behind for
// the collector as there is in the end.
func room[E any](s []E, n int) []E {
	if len(s)+n > cap(s) {
		return slices.Grow(s, max(n, len(s)))
	}
	return s
}

// clip gives back what the arrays were grown by.
func (t *table) clip() {
	t.blocks, t.lists = slices.Clone(t.blocks), slices.Clone(t.lists)
	t.runs.clip()
	t.deep.clip()
}

func (r *runs[K]) clip() {
	r.first, r.keys, r.entries = slices.Clone(r.first), slices.Clone(r.keys), slices.Clone(r.entries)
}
