//go:build !linux

package relay

import (
	"errors"
	"net"
)

// Engine starts sessions. The zero value is ready.
type Engine struct {
	KeepAlive net.KeepAliveConfig // of sockets that the engine opens

	pipes pipes
}

// Start takes the pair over and returns at once. It returns nil if there is TLS: then nothing was taken.
func (e *Engine) Start(p Pair) Session {
	if p.ClientTLS != nil || p.NodeTLS != nil {
		return nil
	}
	return startPlain(&e.pipes, p)
}

// Close gives up what is kept for the next session. No session may be running.
func (e *Engine) Close() { e.pipes.close() }

// Loops is how many threads an Engine takes for itself.
func Loops() int { return 0 }

// Listen says that clients are to be accepted in the ordinary way here.
func (e *Engine) Listen(fd int, d Door) error { return errors.ErrUnsupported }

// Unlisten has nothing to do without Listen.
func (e *Engine) Unlisten(fd int) {}

// Recall has nothing to do without Listen.
func (e *Engine) Recall() {}
