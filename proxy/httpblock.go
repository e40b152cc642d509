package proxy

import "sync"

// The memory that a connection borrows while it has bytes that nobody has used yet.
const (
	smallBlock = 4 << 10  // most heads, with a small body behind them
	largeBlock = 32 << 10 // the longest head, and bulk; 64 KiB were slower
)

// block is borrowed memory.
type block struct{ data []byte }

var (
	smallBlocks = sync.Pool{New: func() any { return &block{make([]byte, smallBlock)} }}
	largeBlocks = sync.Pool{New: func() any { return &block{make([]byte, largeBlock)} }}
)

func borrow(large bool) *block {
	if large {
		return largeBlocks.Get().(*block)
	}
	return smallBlocks.Get().(*block)
}

func (b *block) giveBack() {
	if len(b.data) == smallBlock {
		smallBlocks.Put(b)
	} else {
		largeBlocks.Put(b)
	}
}
