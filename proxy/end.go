package proxy

import "posthouse/proxy/relay"

// end says in one word why a session ended. The words are the `end` of the session log and of the metrics:
//
//	client        the client closed
//	node          the node closed
//	idle          nothing moved for timeouts.idle
//	reset-client  the client reset the connection, or keep-alive found it gone
//	reset-node    the node did
//	refused       the node's words of refusal were passed on, and another node refused or failed too
//	left          the client was gone before a node had greeted
//	no-node       no node answered: the client got our words
//	denied        not in allow, or in deny, of the file or of an operator
//	limit         over limits of the service or of the client
//	proxy-header  no PROXY header, or not a good one, from a peer that must send one
//	hello         no TLS hello, or not a good one
//	handshake     no TLS between client and us: no common version, protocol or cipher, or the client did not like the certificate
//	server-name   no service, or no certificate, for the name that the client asks for
//	overload      we had no descriptor for the session
//	answered      HTTP: the last response was complete, and both sides knew that it was the last
//	request       HTTP: a request that could not be read, or was about nothing that we serve
//	slow          HTTP: a request took too long to arrive
//	drained       closed by us without words at a quiet moment: the process ends, or what the session was on is drained
//	shutdown      the process ended before a node had greeted: the client got our words
//	cut           still busy at the deadline of a drain
//	killed        an operator ended it
type end uint8

const (
	underway end = iota // not ended
	endClient
	endNode
	endIdle
	endResetClient
	endResetNode
	endRefused
	endLeft
	endNoNode
	endDenied
	endLimit
	endProxyHeader
	endHello
	endHandshake
	endServerName
	endOverload
	endAnswered
	endRequest
	endSlow
	endDrained
	endShutdown
	endCut
	endKilled
	ends // how many there are
)

var endNames = [ends]string{
	"", "client", "node", "idle", "reset-client", "reset-node", "refused", "left", "no-node", "denied", "limit",
	"proxy-header", "hello", "handshake", "server-name", "overload", "answered", "request", "slow", "drained", "shutdown", "cut", "killed",
}

func (e end) String() string { return endNames[e] }

// relayEnds is what the relay's ends are called here.
var relayEnds = [...]end{
	relay.ClientLeft: endClient, relay.NodeLeft: endNode,
	relay.ClientReset: endResetClient, relay.NodeReset: endResetNode,
	relay.Idle: endIdle, relay.Drained: endDrained, relay.Cut: endCut,
}
