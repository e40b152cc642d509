// Package relay moves bytes between a client and a node once both ends are connected.
//
// An Engine starts Sessions, each of which has a Pair of sockets until both are closed, and then tells its Owner.
// A half-close is passed on as a half-close and a reset as a reset; silence of both sides beyond Idle ends the session.
// What a drain must know of a session (who spoke last, whether a line ended, how long ago) is in its Facts.
//
// On Linux an Engine is one loop a processor (loop_linux.go): a thread that waits for all of its sessions at once with an edge-triggered
// epoll on bare descriptors, which Go's own poller does not know. An idle session (pair_linux.go) is a struct of some 150 bytes, without
// a goroutine and without a buffer. Elsewhere, and with the build tag plainrelay, a session is two goroutines
// (plain.go).
package relay

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// Pair is what Start takes over. Nobody else may read, write or close the sockets after it.
type Pair struct {
	Client, Node *net.TCPConn
	First        []byte        // what the node has said already; goes to the client before anything else
	Early        []byte        // what the client has said already
	Idle         time.Duration // 0: for ever
	Owner        Owner

	// TLS of ours over a socket; nil: none. The handshake is done, and what the tls.Conn stands on is a Carrier.
	ClientTLS, NodeTLS *tls.Conn
}

// Owner is who a session is run for.
type Owner interface {
	// Ended is called once when both sockets are closed, from a thread that other sessions wait for: it never blocks.
	Ended(Result)
}

// Carrier is what a tls.Conn stands on: a connection at first, and what Carry was given from then on.
type Carrier interface{ Carry(on io.ReadWriter) }

// Session is one pair of sockets being relayed. Its methods may be called from any goroutine, and after its end.
type Session interface {
	Facts() Facts
	Close(why End) // the end that a session has already stays
}

// Result is what is known of a session when it is over.
type Result struct {
	Up, Down int64 // bytes from the client, bytes from the node, as far as they were passed on
	End      End
	TLS      bool // the client began a TLS handshake on the way
}

// End says what ended a session: whatever happened first.
type End uint8

const (
	ClientLeft  End = iota + 1 // the client closed
	NodeLeft                   // the node closed
	ClientReset                // the client reset the connection, or keep-alive found it gone
	NodeReset                  // the node did
	Idle                       // nothing moved for Pair.Idle
	Drained                    // closed by us at a quiet moment
	Cut                        // closed by us whatever it was doing
)

// halfClosed bounds the silence of a session after one side has closed: a node that is frozen would otherwise hold the
// sessions of all clients that gave up until they are idle. RFC 5321, 4.5.3.2.6 lets a server take 10 minutes to answer.
const halfClosed = 10 * time.Minute

// lastWords is how long we read on from a side whose bytes nobody wants any more. Closing with unread input sends a
// reset, and the peer then loses what it has not read yet (RFC 9293, 3.6.1).
const lastWords = time.Second

// allowed is how much longer a session may be silent. half is how long ago one side closed; below 0: none did. To close one side is to say
// something: what was silent before does not count.
func allowed(idle, silent, half time.Duration) time.Duration {
	if half < 0 {
		return idle - silent
	}
	return min(idle, halfClosed) - min(silent, half)
}
