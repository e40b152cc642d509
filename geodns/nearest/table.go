package nearest

import (
	"math/bits"
	"slices"
)

// table finds the network of a key. The first 24 bits decide most and are looked up in arrays, of 16 bits and of 8. What a /24
// of IPv4 is divided into is a short list in one or two lines of cache: an array of it would have 1 KiB, and there are
// tens of thousands. Of IPv6 8 bits more are looked up, and then searched for in long lists.
type table struct {
	short  bool    // of IPv4
	top    []entry // by the first 16 bits
	blocks []block // by the next 8, in IPv6 also by the 8 behind them
	kept   []entry // of the blocks
	lists  []item  // of IPv4
	runs   runs[uint32]
	deep   runs[uint64]

	growing [][]entry // what will be blocks, while networks are added: an array that grows would leave many times its size behind
}

// block is 256 entries, of which only those are kept that differ from the one before, and the first of each 64: a tenth of
// what all would need, so that far more of the table is in the processor's caches.
type block struct {
	starts [4]uint64 // which ones are kept
	first  [4]uint32 // where those of each 64 begin
}

const sheet = 1 << 16 // entries of one of growing: 256 blocks

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
	e = t.in(e, uint8(k.hi>>40))
	if e&branch == 0 {
		return e.network()
	}
	if t.short {
		return t.scan(e&^branch, uint8(k.hi>>32))
	}
	e = t.in(e, uint8(k.hi>>32))
	if e&branch == 0 {
		return e.network()
	}
	e = t.runs.find(e, uint32(k.hi))
	if e&branch == 0 {
		return e.network()
	}
	return t.deep.find(e, k.lo).network()
}

// in is the i-th entry of a block.
func (t *table) in(e entry, i uint8) entry {
	b := &t.blocks[e&^branch]
	upTo := bits.OnesCount64(b.starts[i>>6] << (63 - i&63))
	return t.kept[int(b.first[i>>6])+upTo-1]
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
	at := t.below(t.top[k.hi>>48], k.hi>>40&0xff)
	if length <= 24 {
		fill(at, 24-length, e)
		return
	}
	if t.short {
		t.addItem(&at[0], uint8(k.hi>>32), e)
		return
	}
	if at[0]&branch == 0 {
		at[0] = t.newBlock()
	}
	switch at := t.below(at[0], k.hi>>32&0xff); {
	case length <= 32:
		fill(at, 32-length, e)
	case length <= 64:
		t.runs.add(&at[0], uint32(k.hi), e)
	default:
		if k.lo == 0 { // the first of its /64
			t.runs.add(&at[0], uint32(k.hi), 0)
		}
		t.deep.add(&t.runs.entries[len(t.runs.entries)-1], k.lo, e)
	}
}

// below is the entries of a block from the i-th on.
func (t *table) below(block entry, i uint64) []entry {
	i |= uint64(block&^branch) << 8
	return t.growing[i/sheet][i%sheet:]
}

func (t *table) addItem(list *entry, begins uint8, e entry) {
	if *list&branch == 0 {
		*list = branch | entry(len(t.lists))
	}
	t.lists = append(t.lists, item(begins)<<24|item(e))
}

// fill sets the 2^bits entries of a network.
func fill(at []entry, bits int, e entry) {
	for i := range 1 << bits {
		at[i] = e
	}
}

func (t *table) newBlock() entry {
	last := len(t.growing) - 1
	if last < 0 || len(t.growing[last]) == sheet {
		t.growing = append(t.growing, make([]entry, 0, sheet))
		last++
	}
	n := last*(sheet>>8) + len(t.growing[last])>>8
	t.growing[last] = t.growing[last][:len(t.growing[last])+256]
	return branch | entry(n)
}

func (r *runs[K]) add(at *entry, k K, e entry) {
	if *at&branch == 0 {
		*at = branch | entry(len(r.first))
		r.first = append(r.first, uint32(len(r.keys)))
	}
	r.keys, r.entries = append(r.keys, k), append(r.entries, e)
}

// finish makes the table ready for find, and gives back what its arrays were grown by.
func (t *table) finish() {
	for i, sheet := range t.growing {
		for all := range slices.Chunk(sheet, 256) {
			t.pack(all)
		}
		t.growing[i] = nil
	}
	t.blocks, t.kept, t.growing = slices.Clone(t.blocks), slices.Clone(t.kept), nil
	t.lists = slices.Clone(t.lists)
	t.runs.clip()
	t.deep.clip()
}

// pack makes the next block of all its entries.
func (t *table) pack(all []entry) {
	var b block
	for i, e := range all {
		if i%64 == 0 {
			b.first[i/64] = uint32(len(t.kept))
		}
		if i%64 == 0 || e != all[i-1] {
			b.starts[i/64] |= 1 << (i % 64)
			t.kept = append(t.kept, e)
		}
	}
	t.blocks = append(t.blocks, b)
}

func (r *runs[K]) clip() {
	r.first, r.keys, r.entries = slices.Clone(r.first), slices.Clone(r.keys), slices.Clone(r.entries)
}
