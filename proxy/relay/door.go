package relay

import (
	"net/netip"
	"time"
)

// Door is who decides about the clients that the loops take in at a listening socket. Its methods are called on the threads of loops: they
// never block.
type Door interface {
	// Enter says which node is to be called for a client that has come now. nil: the client is none of the relay's; its socket is the door's then.
	Enter(client int, from netip.AddrPort, now time.Time) *Call
	// Room is asked first: above 0 there is none for the client, which was told and closed, and the next one is tried after that time.
	Room(client int) time.Duration
	// Stuck is called when no client could be taken in, and says how long to wait until the next one is tried.
	Stuck(why error) time.Duration
}

// Call is a node that a loop calls for a client. It lasts until the session is surely the node's, if all goes as usual. What is not usual is
// given back to the Caller, sockets and all.
type Call struct {
	Caller   Caller
	Node     netip.AddrPort
	Source   netip.Addr    // the zero Addr is any
	Opening  []byte        // what the node is told first
	Greets   bool          // the session is the node's when it has greeted; else when it has accepted
	Patience time.Duration // for all of that

	began, connected time.Duration
	said             []byte // a greeting that is not complete
	early            []byte // what the client has said, and the node was not told
	introduced       bool
}

// Caller is who a call is made for. Its methods are called on the thread of a loop: they never block.
type Caller interface {
	Judge(said []byte) Verdict
	// Settled is called when the session is the node's. Its sockets stay with the relay.
	Settled(s Session, p Progress) Terms
	// Back is called when something was not as usual. The sockets are the caller's from then on.
	Back(p Progress)
}

// Verdict is about the first words of a node.
type Verdict uint8

const (
	Incomplete Verdict = iota
	Welcome
	Unusual
)

// Progress is how far a call has come.
type Progress struct {
	Client, Node int // descriptors; Node is 0 if there is none, because it did not accept
	Connected    bool
	Introduced   bool // the opening was sent
	Said         []byte
	Early        []byte // what the client has said already
	Err          error  // of a connection that stood

	ToConnect, ToGreet time.Duration
}

// Terms are those of a session that has begun, as of a Pair.
type Terms struct {
	Idle  time.Duration
	Owner Owner
}
