package relay

import "sync"

// freeList is a bounded stack of empty pipes.
type freeList struct {
	mu   sync.Mutex // guards the following
	free []pipe
}

func (l *freeList) pop() (pipe, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.free) - 1
	if last < 0 {
		return pipe{}, false
	}
	p := l.free[last]
	l.free = l.free[:last]
	return p, true
}

func (l *freeList) push(p pipe) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == spare {
		return false
	}
	l.free = append(l.free, p)
	return true
}
