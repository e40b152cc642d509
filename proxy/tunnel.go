package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/proxy/relay"
)

// relayed is a session whose bytes are moved unread: by the relay, or by a tunnel where that cannot.
type relayed interface {
	Facts() relay.Facts
	Close(why relay.End) // any goroutine; the first reason counts
}

// link is what a session holds of it.
type link struct{ relayed }

// side is one end of a session, and the TLS over it that is ours; nil: none.
type side struct {
	tcp    *net.TCPConn
	secure *tls.Conn
}

// said is what each side has said already: the other one hears them before anything else.
type said struct{ client, node []byte }

// join moves the bytes between two sides until both have ended. The sides are not the caller's any more, and may be closed when it returns.
func (s *Server) join(client, node side, first said, idle time.Duration, owner relay.Owner) relayed {
	r := s.engine.Start(relay.Pair{
		Client: client.tcp, ClientTLS: client.secure, Early: first.client,
		Node: node.tcp, NodeTLS: node.secure, First: first.node, Idle: idle, Owner: owner,
	})
	if r == nil {
		return startTunnel(client, node, first, idle, owner)
	}
	return r
}

// tunnel moves bytes where a side has TLS and the relay has no loop for it: on systems without epoll, and without a descriptor to spare. It
// is a goroutine for each direction, and does as the relay does: a half-close is passed
// on as one and a reset as a reset, and silence of both sides beyond idle ends it.
type tunnel struct {
	up, down flow
	idle     time.Duration
	owner    relay.Owner
	flowing  atomic.Int32
	answered atomic.Bool   // the node spoke last
	half     atomic.Int64  // when a direction ended, in nanoseconds since base; not before flowing is 1
	end      atomic.Uint32 // a relay.End; the first one stays

	mu    sync.Mutex // guards the following
	timer *time.Timer
}

// flow is one direction. An end of from is `left`; a reset of from is `reset`, one of to is `lost`.
type flow struct {
	tunnel            *tunnel
	from, to          *stream
	left, reset, lost relay.End

	moved     atomic.Int64
	at        atomic.Int64 // when a byte last moved, in nanoseconds since base
	moving    atomic.Bool  // bytes were read and are not written yet
	lineEnded atomic.Bool  // the last byte was a line feed
}

func startTunnel(client, node side, first said, idle time.Duration, owner relay.Owner) *tunnel {
	near, far := client.stream(), node.stream()
	t := &tunnel{idle: idle, owner: owner}
	t.up = flow{tunnel: t, from: near, to: far, left: relay.ClientLeft, reset: relay.ClientReset, lost: relay.NodeReset}
	t.down = flow{tunnel: t, from: far, to: near, left: relay.NodeLeft, reset: relay.NodeReset, lost: relay.ClientReset}
	now := int64(time.Since(base))
	t.up.at.Store(now)
	t.down.at.Store(now)
	t.flowing.Store(2)
	t.answered.Store(true)
	t.watch()
	go t.down.run(first.node)
	go t.up.run(first.client)
	return t
}

func (s side) stream() *stream {
	e := new(stream)
	e.join(s.tcp, s.secure) // fails without a connection only
	return e
}

// run passes bytes on until there are no more, and then the way in which they ended.
func (f *flow) run(first []byte) {
	var err error
	if len(first) > 0 {
		err = f.pass(first)
	}
	for err == nil {
		if err = f.from.fill(); err != nil {
			break
		}
		b := f.from.unread()
		if err = f.pass(b); err == nil {
			f.from.large = len(b) == len(f.from.in.data)
			f.from.use(len(b))
		}
	}
	f.conclude(err)
	f.tunnel.ended()
}

// errLost is about the side that is written to, any other error about the one that is read from.
var errLost = errors.New("the other side is gone")

func (f *flow) pass(b []byte) error {
	f.moving.Store(true)
	defer f.moving.Store(false)
	f.tunnel.answered.Store(f == &f.tunnel.down) // before the write: the answer may be here before the time of that is noted
	if err := f.to.write(b); err != nil {
		return errors.Join(errLost, err)
	}
	f.moved.Add(int64(len(b)))
	f.lineEnded.Store(b[len(b)-1] == '\n')
	f.at.Store(int64(time.Since(base)))
	return nil
}

// conclude tells one side how the other one has ended.
func (f *flow) conclude(err error) {
	t := f.tunnel
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // Close
	case err == io.EOF:
		t.note(f.left)
		if relay.End(t.end.Load()) != f.reset {
			f.to.closeWrite(f.from.cutShort())
		}
	case errors.Is(err, errLost):
		t.note(f.lost)
		f.discard()
	default: // a reset; or TLS that is broken off in the middle of a record, which must not look like an end
		t.Close(f.reset)
	}
}

// discard reads on for a moment though the other side is gone: what that said before is still on its way in the other direction, and
// closing with unread input would destroy it.
func (f *flow) discard() {
	f.from.tcp.SetReadDeadline(time.Now().Add(partingTime))
	for f.from.drop(); f.from.fill() == nil; f.from.drop() {
	}
}

// closeWrite says that nothing more comes: inside TLS, and then outside of it. An end that was not announced is not announced either
// (RFC 8446, 6.1), so that whoever must tell a cut from an end still can.
func (s *stream) closeWrite(unannounced bool) {
	if s.secure != nil && !unannounced {
		s.secure.CloseWrite()
	}
	s.tcp.CloseWrite()
}

// cutShort says whether TLS ended without a close_notify.
func (s *stream) cutShort() bool {
	return s.secure != nil && s.secure.NetConn().(interface{ cut() bool }).cut()
}

// ended is called by each direction when it is over; the last one closes.
func (t *tunnel) ended() {
	t.half.Store(int64(time.Since(base)))
	if t.flowing.Add(-1) > 0 {
		t.watch()
		return
	}
	t.mu.Lock()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.mu.Unlock()
	end := relay.End(t.end.Load())
	t.up.from.part(end == relay.NodeReset)
	t.down.from.part(end == relay.ClientReset)
	t.owner.Ended(relay.Result{Up: t.up.moved.Load(), Down: t.down.moved.Load(), End: end})
}

// part closes a side. reset: the other one was reset, so this one is, unless that would overtake bytes; TLS ends without a word.
func (s *stream) part(reset bool) {
	if !reset {
		s.close()
		return
	}
	s.drop()
	relay.PassReset(s.tcp)
	s.tcp.Close()
}

func (t *tunnel) note(why relay.End) { t.end.CompareAndSwap(0, uint32(why)) }

// Close ends the tunnel.
func (t *tunnel) Close(why relay.End) {
	t.note(why)
	t.up.from.tcp.SetDeadline(past)
	t.down.from.tcp.SetDeadline(past)
}

// Facts are about the bytes inside TLS.
func (t *tunnel) Facts() relay.Facts {
	up, down := time.Duration(t.up.at.Load()), time.Duration(t.down.at.Load())
	return relay.Facts{
		Up: t.up.moved.Load(), Down: t.down.moved.Load(), Silent: time.Since(base) - max(up, down),
		NodeSpokeLast: t.answered.Load(), LineEnded: t.down.lineEnded.Load(), Flushed: !t.up.moving.Load() && !t.down.moving.Load(),
	}
}

// halfClosed bounds the silence after one side has ended, as in the relay: a node that is frozen would otherwise hold the sessions of all
// clients that gave up. RFC 5321, 4.5.3.2.6 lets a server take 10 minutes to answer.
const halfClosed = 10 * time.Minute

// watch ends the tunnel when it has been silent for too long.
func (t *tunnel) watch() {
	if t.idle <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	limit, silent := t.idle, t.Facts().Silent
	switch t.flowing.Load() {
	case 0:
		return
	case 1: // to close one side is to say something: what was silent before does not count
		limit, silent = min(limit, halfClosed), min(silent, time.Since(base)-time.Duration(t.half.Load()))
	}
	left := limit - silent
	switch {
	case t.timer == nil:
		t.timer = time.AfterFunc(left, t.watch)
	case left <= 0:
		t.Close(relay.Idle)
	default:
		t.timer.Reset(left)
	}
}
