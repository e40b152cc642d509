package proxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/proxy/relay"
)

// relayed is a session whose bytes are moved unread: by the relay, or by a tunnel where one side has TLS of ours.
type relayed interface {
	Facts() relay.Facts
	Close(why relay.End) // any goroutine; the first reason counts
}

// link is what a session holds of it.
type link struct{ relayed }

// tunnel moves bytes between two streams, a goroutine for each direction, as the relay does between two sockets: a half-close is passed
// on as one, and silence of both sides beyond idle ends it.
type tunnel struct {
	client, node *stream
	idle         time.Duration
	done         func(relay.Result)

	up, down   atomic.Int64
	upAt       atomic.Int64 // when a byte last moved, in nanoseconds since base
	downAt     atomic.Int64
	busy       atomic.Int32 // pieces that were read and not written yet
	directions atomic.Int32
	end        atomic.Uint32

	mu    sync.Mutex // guards the following
	timer *time.Timer
}

func startTunnel(client, node *stream, idle time.Duration, done func(relay.Result)) *tunnel {
	t := &tunnel{client: client, node: node, idle: idle, done: done}
	now := int64(time.Since(base))
	t.upAt.Store(now)
	t.downAt.Store(now)
	t.directions.Store(2)
	t.watch()
	go t.run(client, node, &t.up, &t.upAt, relay.ClientLeft)
	go t.run(node, client, &t.down, &t.downAt, relay.NodeLeft)
	return t
}

// run moves bytes from one side to the other until it ends.
func (t *tunnel) run(from, to *stream, moved, at *atomic.Int64, left relay.End) {
	for {
		err := from.fill()
		if err != nil {
			t.note(left)
			if err == io.EOF {
				closeWrite(to)
			} else {
				t.Close(left)
			}
			break
		}
		t.busy.Add(1)
		b := from.unread()
		err = to.write(b)
		t.busy.Add(-1)
		if err != nil {
			t.Close(relay.ClientLeft + relay.NodeLeft - left)
			break
		}
		from.large = len(b) == len(from.in.data)
		moved.Add(int64(len(b)))
		at.Store(int64(time.Since(base)))
		from.use(len(b))
	}
	t.ended()
}

// closeWrite says that nothing more comes: inside TLS, and then outside of it.
func closeWrite(s *stream) {
	if s.secure != nil {
		s.secure.CloseWrite()
	}
	s.tcp.CloseWrite()
}

func (t *tunnel) ended() {
	if t.directions.Add(-1) > 0 {
		return
	}
	t.mu.Lock()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.mu.Unlock()
	t.client.close()
	t.node.close()
	t.done(relay.Result{Up: t.up.Load(), Down: t.down.Load(), End: relay.End(t.end.Load())})
}

func (t *tunnel) note(why relay.End) { t.end.CompareAndSwap(0, uint32(why)) }

// Close ends the tunnel.
func (t *tunnel) Close(why relay.End) {
	t.note(why)
	t.client.tcp.SetDeadline(past)
	t.node.tcp.SetDeadline(past)
}

// Facts tell what can be seen from outside; of line ends nothing can.
func (t *tunnel) Facts() relay.Facts {
	up, down := time.Duration(t.upAt.Load()), time.Duration(t.downAt.Load())
	return relay.Facts{
		Up: t.up.Load(), Down: t.down.Load(), Silent: time.Since(base) - max(up, down),
		NodeSpokeLast: down >= up, Flushed: t.busy.Load() == 0, TLS: true,
	}
}

// watch ends the tunnel when it has been silent for too long.
func (t *tunnel) watch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle <= 0 || t.directions.Load() == 0 {
		return
	}
	left := t.idle - t.Facts().Silent
	switch {
	case t.timer == nil:
		t.timer = time.AfterFunc(left, t.watch)
	case left <= 0:
		t.Close(relay.Idle)
	default:
		t.timer.Reset(left)
	}
}

// connect gives both sides to the relay, or to a tunnel. The session is theirs when it returns, and may be over.
func (c *conversation) connect(n *nodeConn, done func(relay.Result)) {
	s := c.session
	idle := s.service.Timeouts.Idle
	if s.secure == nil && n.secure == nil {
		s.relay.Store(&link{s.server.engine.Start(relay.Pair{Client: s.client, Node: n.tcp, Idle: idle, Done: func(r relay.Result) { go done(r) }})})
		return
	}
	s.relay.Store(&link{startTunnel(&c.client, &n.stream, idle, done)})
}
