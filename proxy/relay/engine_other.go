//go:build !linux

package relay

// Engine starts sessions. The zero value is ready.
type Engine struct{ pipes pipes }

// Start takes the pair over and returns at once.
func (e *Engine) Start(p Pair) Session { return startPlain(&e.pipes, p) }

// Close gives up what is kept for the next session. No session may be running.
func (e *Engine) Close() { e.pipes.close() }

// Loops is how many threads an Engine takes for itself.
func Loops() int { return 0 }
