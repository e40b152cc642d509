package bare

import "sync"

// Inbox is what other goroutines ask the thread of a Set for. The zero value is ready.
type Inbox[T any] struct {
	spare []T // the letters of the round before, to be filled again; the thread's

	mu      sync.Mutex // guards the following
	letters []T
	shut    bool
}

// Post leaves a letter and rings, from any goroutine. Once the Inbox is shut it does nothing.
func (i *Inbox[T]) Post(m T, bell *Set) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.shut {
		return
	}
	i.letters = append(i.letters, m)
	bell.Ring()
}

// Read is for the thread alone: it hands over what was left, in order.
func (i *Inbox[T]) Read(each func(T)) {
	i.mu.Lock()
	letters := i.letters
	i.letters = i.spare[:0]
	i.mu.Unlock()
	for n, m := range letters {
		letters[n] = *new(T)
		each(m)
	}
	i.spare = letters
}

// Shut is called before the Set is closed: nobody rings after it.
func (i *Inbox[T]) Shut() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.shut = true
}
